"""Times of the parts of a forward pass."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from mobile_videogpt import MobileVideoGPT, timing
from mobile_videogpt.timing import PartTimes, measured, measuring
from tests.unit.model.builders import random_frames

CPU = torch.device("cpu")


def test_every_part_of_a_chunk_is_measured(vision_model: MobileVideoGPT) -> None:
    with measuring() as times:
        vision_model.encode_chunk(random_frames(1, 8))
    assert set(times.seconds()) == {"pixels", "image_tower", "video_tower", "projectors"}
    assert min(times.seconds().values()) > 0


def test_other_threads_are_not_measured() -> None:
    def work() -> None:
        with measured("work", CPU):
            pass

    with measuring() as times, ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()
    assert dict(times.seconds()) == {}


class FakeEvent:
    """A CUDA event whose time is its number."""

    made = 0

    def __init__(self, enable_timing: bool) -> None:
        assert enable_timing
        FakeEvent.made += 1
        self.at_ms = 0.0

    def record(self) -> None:
        self.at_ms = 40.0 * FakeEvent.made

    def synchronize(self) -> None:
        return

    def elapsed_time(self, other: FakeEvent) -> float:
        return other.at_ms - self.at_ms + 125.0


def test_cuda_is_measured_by_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing.torch.cuda, "Event", FakeEvent)
    with measuring() as times:
        for _ in range(2):
            with measured("tower", torch.device("cuda")):
                pass
    assert times.seconds() == {"tower": 0.25}


def test_part_that_never_ran_took_nothing() -> None:
    assert PartTimes().seconds()["pixels"] == 0.0
