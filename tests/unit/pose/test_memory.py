"""The memory of results, with several threads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from cornerman_pose.memory import LastUsed


def test_second_thread_waits_for_the_first() -> None:
    memory: LastUsed[object] = LastUsed(4)
    makes, go_on = threading.Event(), threading.Event()

    def slow() -> object:
        makes.set()
        assert go_on.wait(30)
        return object()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(memory.get, "key", slow)
        assert makes.wait(30)
        second = pool.submit(memory.get, "key", object)
        go_on.set()
        assert first.result(30) is second.result(30)
    assert (memory.hits, memory.misses) == (1, 1)


def test_failed_make_leaves_nothing() -> None:
    memory: LastUsed[int] = LastUsed(4)
    with pytest.raises(ZeroDivisionError):
        memory.get("key", lambda: 1 // 0)
    assert memory.get("key", lambda: 2) == 2


def test_longest_unused_goes_first() -> None:
    memory: LastUsed[int] = LastUsed(2)
    for key in ("a", "b", "a", "c"):
        memory.get(key, lambda: 0)
    assert [memory.get(key, lambda: 1) for key in ("a", "c", "b")] == [0, 0, 1]
