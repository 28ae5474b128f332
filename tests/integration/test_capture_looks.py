"""Polls and stride looks through the capture service: their times, their pixels, counters and changes while it runs."""

from __future__ import annotations

from typing import Any

import pytest

from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import Chunk
from cornerman_shared.bus.registry import add_source, update_source
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import Settings
from tests.integration.capture_harness import capture, chunks
from tests.integration.waiting import until

LONG = "test://pattern?fps=25&seconds=13&size=64x36"


def source(look: dict[str, Any], mode: str, strategy: str, url: str = LONG, **watch: Any) -> SourceSpec:
    given = {"lossless": True, "realtime": False, "credit": 64, **look, **watch}
    speak = {"strategy": strategy, "interval_s": 3.0, "scene_threshold": 0.0}
    return SourceSpec.model_validate({"source_id": "cam1", "url": url, "mode": mode, "watch": given, "speak": speak})


async def until_ended(bus: Bus) -> list[Chunk]:
    async def ended() -> list[Chunk]:
        found = await chunks(bus)
        return found if any(chunk.end for chunk in found) else []

    return [chunk for chunk in await until(ended) if not chunk.end]


@pytest.mark.parametrize("sample_fps", [1.0, 8.0])
async def test_polls_come_at_four_seven_ten(bus: Bus, settings: Settings, sample_fps: float) -> None:
    """They came after 4, 2, 4, 2 seconds, and with one frame a second after 7 and 15. The last is due at the end."""
    await add_source(bus, source({"sample_fps": sample_fps}, "polling", "interval"))
    async with capture(settings):
        found = await until_ended(bus)
    assert [chunk.pts_s for chunk in found] == pytest.approx([4.0, 7.0, 10.0, 13.0], abs=1 / 25 + 1e-6)
    assert {chunk.look for chunk in found} == {"poll"}
    for chunk in found:
        assert chunk.frames is not None
        assert (await bus.get_blob(chunk.frames)).shape[0] == len(chunk.frame_pts_s) == 16
        assert chunk.pts_s - chunk.frame_pts_s[0] == pytest.approx(3.0 if sample_fps == 1.0 else 3.75, abs=1 / 25)
    counters = await bus.redis.hgetall(bus.keys("cam1").counters("cam1"))
    assert (counters[b"due"], counters[b"published"]) == (b"4", b"4")


async def test_commentary_looks_carry_a_small_picture(bus: Bus, settings: Settings) -> None:
    look = {"sample_fps": 5.0, "frames": 10, "stride": 2}
    await add_source(bus, source(look, "commentary", "scene"))
    async with capture(settings):
        found = await until_ended(bus)
    assert [chunk.pts_s for chunk in found] == pytest.approx([3.6, 6.6, 9.6, 12.6], abs=1 / 25)
    for chunk in found:
        assert (chunk.look, len(chunk.frame_pts_s), len(chunk.thumbnail)) == ("stride", 10, 64 * 64 * 3)
        assert chunk.pts_s - chunk.frame_pts_s[0] == pytest.approx(3.6, abs=1 / 25)


async def test_change_of_looks_goes_on_in_the_run(bus: Bus, settings: Settings) -> None:
    """A change of the interval or of the frames needs no new run; the next polls have them."""
    fast = {"window_s": 0.5, "frames": 4, "lossless": False, "realtime": True}
    await add_source(bus, source(fast, "polling", "interval").model_copy(update={"url": f"{LONG[:21]}&seconds=60"}))
    await update_source(bus, "cam1", {"speak": {"interval_s": 0.5}})

    async def polls(frames: int) -> list[Chunk]:
        found = [chunk for chunk in await chunks(bus) if len(chunk.frame_pts_s) == frames]
        return found if len(found) >= 3 else []

    async with capture(settings):
        await until(lambda: polls(4))
        await update_source(bus, "cam1", {"watch": {"frames": 3}, "speak": {"interval_s": 0.3}})
        later = await until(lambda: polls(3))
    assert len({chunk.run for chunk in await chunks(bus)}) == 1
    apart = [(chunk.pts_s - later[0].pts_s) / 0.3 for chunk in later]
    assert [one - round(one) for one in apart] == pytest.approx([0.0] * len(apart), abs=0.14)
