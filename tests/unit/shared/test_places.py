"""Places: so many at once, and one alone when it must be."""

from __future__ import annotations

import asyncio

from cornerman_shared.aio import places


class Room:
    """Records who computes at the same time."""

    def __init__(self, count: int) -> None:
        self._take = places(count)
        self.inside: list[str] = []
        self.seen: list[tuple[str, ...]] = []

    async def compute(self, name: str, *, alone: bool = False) -> None:
        async with self._take(alone):
            self.inside.append(name)
            await asyncio.sleep(0)
            self.seen.append(tuple(self.inside))
            await asyncio.sleep(0)
            self.inside.remove(name)


async def test_so_many_compute_at_once() -> None:
    room = Room(2)
    await asyncio.gather(*(room.compute(name) for name in "abcd"))
    assert max(map(len, room.seen)) == 2
    assert {name for names in room.seen for name in names} == set("abcd")


async def test_suspect_computes_alone() -> None:
    room = Room(3)
    await asyncio.gather(*(room.compute(name, alone=name == "s") for name in "abscd"))
    assert [names for names in room.seen if "s" in names] == [("s",)]
    assert room.seen.index(("s",)) == 2, "nothing overtakes it"


async def test_two_suspects_do_not_lock_up() -> None:
    room = Room(2)
    await asyncio.wait_for(asyncio.gather(*(room.compute(name, alone=True) for name in "ab")), 10)
    assert room.seen == [("a",), ("b",)]


async def test_cancelled_wait_gives_its_places_back() -> None:
    take = places(2)
    async with take(False):
        waiting = asyncio.create_task(take(True).__aenter__())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        async with asyncio.timeout(10), take(False):
            pass
