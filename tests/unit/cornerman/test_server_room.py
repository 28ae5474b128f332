"""A full server is waited for, and given up in time."""

import pytest

from cornerman.local.server_room import ServerRoom
from cornerman_shared.errors import FatalError

FULL = "the server uses 9 of 10 MiB, 90% of its maxmemory; raise it, or watch fewer sources"


class Gate:
    """A server that is full or not."""

    def __init__(self) -> None:
        self.why, self.now_s = "", 0.0

    async def full(self) -> str:
        return self.why


def room(gate: Gate) -> tuple[ServerRoom, list[str]]:
    told: list[str] = []
    return ServerRoom(gate, 10.0, told.append, lambda: gate.now_s), told


async def test_full_and_free_are_told_once() -> None:
    gate = Gate()
    one, told = room(gate)
    assert await one.check()
    gate.why = FULL
    assert [await one.check() for _ in range(3)] == [False] * 3
    gate.why = ""
    assert await one.check() and await one.check()
    assert told == [f"{FULL}; waiting for room", "the server has room again; going on"]


async def test_full_server_is_given_up_in_time() -> None:
    gate = Gate()
    one, _ = room(gate)
    gate.why = FULL
    await one.check()
    gate.now_s = 9.9
    assert not await one.check()
    gate.now_s = 10.0
    with pytest.raises(FatalError, match=r"no room on the server for 10 s: .*90% of its maxmemory.*runtime.down_s"):
        await one.check()


async def test_progress_is_patience() -> None:
    gate = Gate()
    one, _ = room(gate)
    gate.why = FULL
    for progress in range(5):
        gate.now_s += 9.0
        assert not await one.check(progress)


async def test_endless_command_waits() -> None:
    gate = Gate()
    one, _ = room(gate)
    gate.why = FULL
    await one.check(endless=True)
    gate.now_s = 1000.0
    assert not await one.check(endless=True)
