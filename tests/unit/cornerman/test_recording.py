"""A recording: its files in step, readable at any time, and bounded."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cornerman.local.recorded_video import RecordedVideo
from cornerman.local.recording import Recording
from cornerman_shared.clock import SystemClock
from cornerman_shared.settings.tree import RecordSettings
from tests.unit.gateway.test_transcript import end
from tests.unit.media.films import jpeg
from tests.unit.media.reading import read

PATIENCE_S = 60.0
ORIGIN_S = 100.0


def recording(folder: Path, **bounds: object) -> Recording:
    settings = RecordSettings.model_validate({"dir": str(folder), "queue": 1000, **bounds})
    return Recording(folder / "cam-1", "cam", "r", settings, SystemClock())


def until(reached: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def filled(one: Recording, pictures: int = 40) -> Recording:
    """Pictures ten a second from 100 s on, with words about 101 s and 103 s."""
    for number in range(pictures):
        one.picture(jpeg(number), ORIGIN_S + number / 10)
    one.event("1-0", end(ORIGIN_S + 1.0, "Go <deeper>."))
    one.event("2-0", end(ORIGIN_S + 2.0, "", silent=True))
    one.event("3-0", end(ORIGIN_S + 3.0, "Good."))
    return one


def test_files_are_in_step(tmp_path: Path) -> None:
    one = filled(recording(tmp_path))
    one.close({"captured": 41}, missed=1)
    assert sorted(path.name for path in one.folder.iterdir()) == [
        "events.jsonl",
        "report.html",
        "video.mp4",
        "words.vtt",
    ]
    film = read(one.folder / "video.mp4")
    assert (film.numbers, film.start_s) == (list(range(40)), 0.0)
    assert film.times_s == pytest.approx([number / 10 for number in range(40)], abs=1e-4)
    words = (one.folder / "words.vtt").read_text()
    assert re.findall(r"^([\d:.]+) --> .*\n(.*)$", words, re.MULTILINE) == [
        ("00:00:01.000", "Go &lt;deeper&gt;."),
        ("00:00:03.000", "Good."),
    ]
    events = [json.loads(line) for line in (one.folder / "events.jsonl").read_text().splitlines()]
    assert [(event["id"], event["pts_s"]) for event in events] == [("1-0", 101.0), ("2-0", 102.0), ("3-0", 103.0)]


def test_report_opens_by_itself(tmp_path: Path) -> None:
    one = filled(recording(tmp_path))
    one.close({"captured": 41}, missed=1)
    report = (one.folder / "report.html").read_text()
    links = re.findall(r'(?:src|href)="([^"]*)"', report)
    assert [link.split(",")[0] for link in links] == [
        "video.mp4",
        "data:text/vtt;base64",
        "data:image/jpeg;base64",
        "data:image/jpeg;base64",
    ]
    assert "<td class=n>1.0 s</td>" in report and "Go &lt;deeper&gt;." in report
    counts = dict(re.findall(r"<tr><th>([\w ]+)</th><td class=n>(\d+)</td>", report))
    assert (counts["captured"], counts["pictures recorded"], counts["pictures dropped"]) == ("41", "40", "1")
    assert "http" not in report.replace("http-equiv", "")


def test_killed_recording_can_be_read(tmp_path: Path) -> None:
    """Nothing is closed: what `kill -9` leaves."""
    one = filled(recording(tmp_path))
    save = one.saving({}, 0)
    assert save is not None
    save()
    video = one.folder / "video.mp4"
    until(lambda: video.exists() and len(found_numbers(video)) >= 20)
    assert found_numbers(video) == list(range(len(found_numbers(video))))
    assert "Good." in (one.folder / "words.vtt").read_text()
    assert "Good." in (one.folder / "report.html").read_text()
    assert len((one.folder / "events.jsonl").read_text().splitlines()) == 3
    one.close({}, 0)


def found_numbers(video: Path) -> list[int]:
    try:
        return read(video).numbers
    except Exception:  # the first fragment is not there yet
        return []


def test_nothing_new_is_not_saved(tmp_path: Path) -> None:
    one = recording(tmp_path)
    first = one.saving({}, 0)
    assert first is not None
    first()
    assert one.saving({}, 0) is None
    one.close({}, 0)
    assert (one.folder / "words.vtt").read_text() == "WEBVTT\n"
    assert not (one.folder / "video.mp4").exists()


@pytest.mark.parametrize("bounds", [{"max_s": 3.0}, {"max_bytes": 1_000_000}])
def test_bounds_are_told(tmp_path: Path, bounds: dict[str, object]) -> None:
    one = recording(tmp_path, **bounds)
    assert not one.full
    if "max_bytes" in bounds:
        (one.folder / "video.mp4").write_bytes(bytes(1_000_000))
        assert one.full
        (one.folder / "video.mp4").unlink()
    else:
        filled(one)
        assert one.full
    one.close({}, 0)


def test_bound_holds_without_pictures(tmp_path: Path) -> None:
    one = recording(tmp_path, max_s=3.0)
    for at_s in (0.0, 2.9):
        one.event("1-0", end(ORIGIN_S + at_s, "Go."))
        assert not one.full
    one.event("2-0", end(ORIGIN_S + 3.0, "Go."))
    assert one.full
    one.close({}, 0)


def test_words_before_the_video_are_kept_out(tmp_path: Path) -> None:
    one = recording(tmp_path)
    one.event("1-0", end(ORIGIN_S - 50.0, "Long ago."))
    filled(one).close({}, 0)
    assert "Long ago." not in (one.folder / "words.vtt").read_text()


def test_pictures_that_come_too_fast_are_counted(tmp_path: Path) -> None:
    video = RecordedVideo(tmp_path / "video.mp4", most=2)
    picture = jpeg(0, (640, 480))
    for number in range(100):
        video.add(picture, number / 30)
    video.add(b"no picture", 10.0)
    video.close()
    assert video.dropped > 0
    assert video.frames + video.dropped == 101
    assert len(read(tmp_path / "video.mp4").numbers) == video.frames


def test_lost_folder_ends_the_video_alone(tmp_path: Path) -> None:
    video = RecordedVideo(tmp_path / "nowhere" / "video.mp4", most=1)
    video.add(jpeg(0), 0.0)
    until(lambda: video.error != "")
    video.add(jpeg(1), 0.1)
    video.close()
    assert "cannot be written" in video.error
    assert video.dropped >= 1
