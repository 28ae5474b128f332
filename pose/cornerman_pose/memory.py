"""Cache of results, keyed by all of their inputs, so that a reused result has the same bits."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import numpy as np

from cornerman_pose.warp import Pixels

Result = TypeVar("Result")


class LastUsed(Generic[Result]):
    """The results used last, at most `size`; the one not used for longest goes first. For several threads at once.

    Args:
        size: 0 = keep nothing.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[Hashable, Result] = OrderedDict()
        self._made: dict[Hashable, threading.Event] = {}  # set when another thread has made the result
        self._lock = threading.Lock()
        self.hits = 0
        self.misses = 0

    def get(self, key: Hashable, make: Callable[[], Result]) -> Result:
        """The result kept under `key`, else what `make` gives, which is kept. Waits for a thread that makes it."""
        while True:
            with self._lock:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    self.hits += 1
                    return self._kept[key]
                other = self._made.get(key)
                if other is None:
                    self.misses += 1
                    mine = self._made[key] = threading.Event()
                    break
            other.wait()
        try:
            made = make()
            with self._lock:
                if self._size:
                    self._kept[key] = made
                    if len(self._kept) > self._size:
                        self._kept.popitem(last=False)
            return made
        finally:
            with self._lock:
                del self._made[key]
            mine.set()


def fingerprint(picture: Pixels) -> bytes:
    """16 bytes that differ when the pixels or the shape do (BLAKE2b)."""
    digest = hashlib.blake2b(repr(picture.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(picture).data)
    return digest.digest()
