"""The recorder on a real server: a viewer like others, run after run, and what a killed command leaves."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from cornerman.local.recorder import SourceRecorder, record_all
from cornerman_media.errors import MediaError
from cornerman_shared.bus.codec import pack_map
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.registry import add_source
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import RecordSettings
from tests.integration.waiting import until, until_true
from tests.unit.gateway.test_transcript import end
from tests.unit.media.films import jpeg
from tests.unit.media.reading import read


async def show(bus: Bus, numbers: range, run: str = "r") -> None:
    """Adds pictures to the ring, ten a second of media time."""
    ring = bus.keys("cam").display("cam")
    for number in numbers:
        body = pack_map({"run": run, "pts_s": number / 10, "at_s": 0.0, "jpeg": jpeg(number)})
        await bus.blobs.xadd(ring, {FIELD: body})


@contextlib.asynccontextmanager
async def recorder(bus: Bus, folder: Path, **bounds: object) -> AsyncIterator[list[str]]:
    told: list[str] = []
    settings = RecordSettings.model_validate({"dir": str(folder), "queue": 1000, **bounds})
    one = SourceRecorder(bus, "cam", settings, told.append)
    await one.begin()
    yield told
    await one.close()


def folders(path: Path) -> list[Path]:
    # A folder is there a moment before its first file.
    begun = [one for one in path.glob("*") if (one / "events.jsonl").exists()]
    return sorted(begun, key=lambda one: (one / "events.jsonl").stat().st_mtime_ns)


async def test_each_run_is_a_recording(bus: Bus, tmp_path: Path) -> None:
    await show(bus, range(3), "older")
    async with recorder(bus, tmp_path / "rec") as told:
        assert await bus.redis.exists(bus.keys("cam").watching("cam"))
        await show(bus, range(20))
        await bus.emit(end(1.0, "Go deeper."))
        await until_true(lambda: len(told) == 1)
        await show(bus, range(5), "s")
    first, second = folders(tmp_path / "rec")
    assert read(first / "video.mp4").numbers == list(range(20))
    assert read(second / "video.mp4").numbers == list(range(5))
    assert "Go deeper." in (first / "words.vtt").read_text()
    assert "pictures dropped</th><td class=n>0<" in (second / "report.html").read_text()
    assert [text.split(" in ")[0] for text in told] == ["recording cam"] * 2


async def test_full_recording_gives_way_to_the_next(bus: Bus, tmp_path: Path) -> None:
    async with recorder(bus, tmp_path / "rec", max_s=1.0, keep=2) as told:
        first = 0
        while len(told) < 3:
            await show(bus, range(first, first + 20))
            first += 20
            await asyncio.sleep(0.2)
    assert len(told) == 3
    assert len(folders(tmp_path / "rec")) == 2


async def test_newest_alone_may_be_kept(bus: Bus, tmp_path: Path) -> None:
    """The older recording is still being ended when the next begins."""
    async with recorder(bus, tmp_path / "rec", keep=1) as told:
        for number in range(4):
            await show(bus, range(30), f"run-{number}")
        await until_true(lambda: len(told) == 4)
    assert [text.split(" in ")[0] for text in told] == ["recording cam"] * 4
    (folder,) = folders(tmp_path / "rec")
    assert folder == told_folder(told)
    assert read(folder / "video.mp4").numbers == list(range(30))


def told_folder(told: list[str]) -> Path:
    return Path(told[-1].split(" in ", 1)[1])


async def test_trimmed_pictures_are_counted(bus: Bus, tmp_path: Path) -> None:
    ring = bus.keys("cam").display("cam")
    async with recorder(bus, tmp_path / "rec") as told:
        await show(bus, range(5))
        await until_true(lambda: len(told) == 1)
        await asyncio.sleep(0.5)
        async with bus.blobs.pipeline() as pipe:
            for number in range(5, 15):
                body = pack_map({"run": "r", "pts_s": number / 10, "at_s": 0.0, "jpeg": jpeg(number)})
                pipe.xadd(ring, {FIELD: body}, maxlen=4, approximate=False)
            await pipe.execute()
    assert "pictures dropped</th><td class=n>6<" in (told_folder(told) / "report.html").read_text()


async def test_full_disk_ends_the_recording_alone(bus: Bus, tmp_path: Path) -> None:
    (tmp_path / "rec").write_text("not a folder")
    async with recorder(bus, tmp_path / "rec") as told:
        await bus.emit(end(1.0, "Go deeper."))
        await until_true(lambda: len(told) == 1)
        await bus.emit(end(2.0, "Go deeper."))
    assert told[0].startswith("cam is not recorded any more: ")
    assert len(told) == 1


async def test_sources_are_recorded_as_they_come(bus: Bus, tmp_path: Path) -> None:
    told: list[str] = []
    work = asyncio.create_task(record_all(bus, RecordSettings(dir=str(tmp_path / "rec")), told.append))
    await add_source(bus, SourceSpec(source_id="cam", url="test://pattern"))
    await until(lambda: bus.redis.exists(bus.keys("cam").watching("cam")))
    await bus.emit(end(1.0, "Go deeper."))
    await until_true(lambda: len(told) == 1)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    assert "Go deeper." in (told_folder(told) / "report.html").read_text()


async def test_killed_command_leaves_what_was_seen(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cornerman", "run", "test://pattern", "--encoder", "fake", "--generator", "echo"]
    own = [
        "--set",
        f"runtime.dir={tmp_path / 'run'}",
        "--set",
        "speak.every_chunks=1",
        "--set",
        "speak.min_interval_s=0",
    ]
    running = await asyncio.create_subprocess_exec(
        *command, *own, "--record", "rec", cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def enough() -> bool:
        found = folders(tmp_path / "rec")
        return bool(found) and (found[0] / "report.html").exists() and len(frames(found[0] / "video.mp4")) >= 30

    try:
        await until_true(enough)
    finally:
        running.send_signal(signal.SIGKILL)
        await running.wait()
    (folder,) = folders(tmp_path / "rec")
    times = frames(folder / "video.mp4")
    assert len(times) >= 30 and times[0] == 0.0
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert any(event["type"] == "decision" for event in events)
    assert (folder / "words.vtt").read_text().startswith("WEBVTT")
    assert "<video controls" in (folder / "report.html").read_text()


def frames(video: Path) -> list[float]:
    try:
        return read(video).times_s
    except MediaError:
        return []
