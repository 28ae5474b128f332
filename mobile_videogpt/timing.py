"""Measures the parts of a forward pass: preparing pixels, each tower, the projectors.

Costs nothing unless a `measuring` block is open in the same thread. On CUDA it records events, which does not make the
host wait; elsewhere it reads the clock. Knows nothing of what it measures.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch


class PartTimes:
    """The times of the parts that ran inside one `measuring` block."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._events: list[tuple[str, Any, Any]] = []

    def add(self, part: str, seconds: float) -> None:
        """Adds host time to a part."""
        self._seconds[part] += seconds

    def add_events(self, part: str, start: Any, end: Any) -> None:
        """Adds the time between two recorded CUDA events to a part, once it is known."""
        self._events.append((part, start, end))

    def seconds(self) -> defaultdict[str, float]:
        """Seconds of each part; 0.0 for one that did not run. Waits for the device."""
        found = self._seconds.copy()
        for part, start, end in self._events:
            end.synchronize()
            found[part] += start.elapsed_time(end) / 1000
        return found


_open: ContextVar[PartTimes | None] = ContextVar("part_times", default=None)


@contextmanager
def measuring() -> Iterator[PartTimes]:
    """Measures the parts that run in the body, in this thread."""
    times = PartTimes()
    token = _open.set(times)
    try:
        yield times
    finally:
        _open.reset(token)


@contextmanager
def measured(part: str, device: torch.device) -> Iterator[None]:
    """Counts the body for `part`, if a `measuring` block is open."""
    times = _open.get()
    if times is None:
        yield
        return
    if device.type == "cuda":
        event: Any = torch.cuda.Event  # untyped in torch
        start, end = event(enable_timing=True), event(enable_timing=True)
        start.record()
        yield
        end.record()
        times.add_events(part, start, end)
        return
    began_s = time.perf_counter()
    yield
    times.add(part, time.perf_counter() - began_s)
