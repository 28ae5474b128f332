"""The engine: frames of every kind, threads, event loops, questions, resets and errors."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cornerman import Coach
from cornerman.engine.pictures import rgb_of
from cornerman_shared.errors import ConfigError, GenerationError, SourceError

FRAMES = np.random.default_rng(0).integers(0, 255, (24, 50, 70, 3), np.uint8)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def coach() -> Iterator[Coach]:
    with Coach(encoder="fake", generator="echo", strategy="interval", prompt="How is it?") as made:
        yield made


def fed(coach: Coach, frames: Any = FRAMES, **how: Any) -> list[str]:
    return [one.text for i, frame in enumerate(frames) for one in coach.feed(frame, i / 8, **how)]


PICTURES = {
    "bgr": (lambda rgb: rgb[:, :, ::-1], "bgr"),
    "alpha": (lambda rgb: np.dstack([rgb, rgb[:, :, 0]]), "rgb"),
    "pil": (Image.fromarray, "rgb"),
    "torch": (lambda rgb: torch.from_numpy(rgb.copy()), "rgb"),
    "torch, channels first": (lambda rgb: torch.from_numpy(rgb.copy()).permute(2, 0, 1), "rgb"),
    "alpha, channels first": (lambda rgb: np.dstack([rgb, rgb[:, :, 0]]).transpose(2, 0, 1), "rgb"),
    "sparse": (lambda rgb: torch.from_numpy(rgb.copy()).to_sparse(), "rgb"),
    "floats": (lambda rgb: torch.from_numpy(rgb.copy()).float() / 255, "rgb"),
}


@pytest.mark.parametrize(("convert", "order"), PICTURES.values(), ids=PICTURES)
def test_every_picture_becomes_rgb(convert: Any, order: Any) -> None:
    assert np.array_equal(rgb_of(convert(FRAMES[0]), order), FRAMES[0])


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        ("x.png", "type str is not a picture"),
        (np.zeros((3, 4, 5, 6), np.uint8), r"shape \[3, 4, 5, 6\]"),
        (np.zeros((0, 4, 3), np.uint8), r"shape \[0, 4, 3\]"),
        (np.zeros((4, 4, 3), np.int32), "int32"),
        (np.full((4, 4, 3), 200.0), "floats from 200 to 200"),
    ],
)
def test_other_things_are_refused(picture: Any, message: str, coach: Coach) -> None:
    with pytest.raises(ConfigError, match=message):
        coach.feed(picture, 0.0)
    assert fed(coach), "a wrong frame harms nothing"


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (1, 4, 5)])
def test_grey_is_repeated(shape: tuple[int, ...]) -> None:
    grey = np.arange(20, dtype=np.uint8)
    expected = np.repeat(grey.reshape(4, 5, 1), 3, axis=2)
    assert np.array_equal(rgb_of(grey.reshape(shape)), expected)
    assert np.array_equal(rgb_of(torch.from_numpy(grey.reshape(shape)).to(torch.bfloat16) / 256), expected)


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_wide_pil_image_is_refused(mode: str) -> None:
    with pytest.raises(ConfigError, match="no fixed range"):
        rgb_of(Image.new(mode, (5, 4)))
    with pytest.raises(ConfigError, match="0x0 pixels"):
        rgb_of(Image.new("RGB", (0, 0)))


def test_grey_and_order_are_checked() -> None:
    assert rgb_of(np.full((4, 5), 7, np.uint8)).shape == (4, 5, 3)
    with pytest.raises(ConfigError, match="order = 'yuv'"):
        rgb_of(FRAMES[0], "yuv")  # type: ignore[arg-type]


def test_reset_starts_again(coach: Coach) -> None:
    first, decisions = fed(coach), [(one.seq, one.action) for one in coach.decisions]
    assert first == ["feedback at 0.88 s, chunks 0-0: How is it?"]
    coach.reset()
    assert coach.decisions == []
    assert (fed(coach), [(one.seq, one.action) for one in coach.decisions]) == (first, decisions)


def test_times_are_the_callers(coach: Coach) -> None:
    said = [one for i, frame in enumerate(FRAMES) for one in coach.feed(frame, 100 + i / 8)]
    assert [one.pts_s for one in said] == [pytest.approx(100.875)]
    assert coach.decisions[1].pts_s == pytest.approx(101.375)


async def test_async_twins_say_the_same(coach: Coach) -> None:
    said = [one.text for i, frame in enumerate(FRAMES) for one in await coach.afeed(frame, i / 8)]
    assert (await coach.aask("And now?")).text == "answer at 2.88 s, chunks 2-4: And now?"
    streamed = [one.text async for one in coach.astream("test://pattern?seconds=3")]
    coach.reset()
    assert (said, streamed) == (fed(coach), [one.text for one in coach.stream("test://pattern?seconds=3")])


def test_stream_may_be_left(coach: Coach) -> None:
    whole = [one.text for one in coach.stream("test://pattern?seconds=8")]
    assert len(whole) == 3
    for one in coach.stream("test://pattern?seconds=8"):
        assert one.text == whole[0]
        break
    assert [one.text for one in coach.stream("test://pattern?seconds=8")] == whole


def test_one_stream_at_a_time(coach: Coach) -> None:
    first = coach.stream("test://pattern?seconds=8")
    next(first)
    with pytest.raises(ConfigError, match="watches another stream"):
        next(coach.stream("test://pattern"))
    assert coach.ask("While it plays?").text.endswith("While it plays?")
    first.close()


def test_threads_take_turns(coach: Coach) -> None:
    """Every chunk is decided once, in order, whoever feeds and asks."""
    clock, lock, failed = iter(range(10_000)), threading.Lock(), []

    def work() -> None:
        try:
            for _ in range(40):
                with lock:  # the order of frames is the callers' own
                    coach.feed(FRAMES[0], next(clock) / 8)
                coach.ask("How?") if coach.decisions else None
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert [one.seq for one in coach.decisions] == list(range(39))


def test_realtime_stream_numbers_its_chunks(coach: Coach) -> None:
    """Late chunks are skipped and have no number, as in the services."""
    said = list(coach.stream("test://pattern?seconds=2.5", realtime=True))
    assert [one.seq for one in coach.decisions] == list(range(len(coach.decisions)))
    assert len(said) == 1 and said[0].latency_ms["total"] > 0


def test_missing_source_is_named(coach: Coach, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"there is no such file"):
        next(coach.stream(str(tmp_path / "no.mp4")))
    (tmp_path / "no.mp4").write_bytes(b"not a video")
    with pytest.raises(SourceError, match="no"):
        next(coach.stream(str(tmp_path / "no.mp4")))
    assert list(coach.stream("test://pattern?seconds=2"))


def test_failed_words_are_raised() -> None:
    with (
        Coach(
            encoder="fake", generator="openai", base_url="http://127.0.0.1:9/v1", model="m", strategy="rules"
        ) as coach,
        pytest.raises(GenerationError, match=r"cannot|failed"),
    ):
        list(coach.stream("test://pattern?seconds=4"))


def test_bundled_coach_declines() -> None:
    with Coach(encoder="mobile_videogpt") as coach:
        assert coach.choice.decider.backend == "head"
        answer = coach.ask("What colour are the shorts?")
        assert (answer.status, answer.text[:24]) == ("declined", "I can only answer questi")
        with pytest.raises(GenerationError, match="nothing has been seen yet"):
            coach.ask("How is my form?")
        for i, frame in enumerate(FRAMES[:8]):
            coach.feed(frame, i / 8)
        assert coach.ask("How is my form?").status == "done"


def test_closed_coach_is_gone() -> None:
    coach = Coach(encoder="fake", generator="echo")
    coach.close()
    coach.close()
    with pytest.raises(RuntimeError, match="closed"):
        coach.feed(FRAMES[0], 0.0)


def test_close_works_inside_a_loop() -> None:
    async def use() -> None:
        coach = Coach(encoder="fake", generator="echo")
        await coach.afeed(FRAMES[0], 0.0)
        coach.close()

    asyncio.run(use())


def test_library_logs_no_debug_lines(tmp_path: Path) -> None:
    """Without a configuration of its own, structlog prints every debug line on the program's stdout."""
    program = (
        "from cornerman import Coach\n"
        "from cornerman_shared.process.logs import get_logger\n"
        "with Coach(encoder='fake', generator='echo') as coach:\n"
        "    list(coach.stream('test://pattern?seconds=1'))\n"
        "    get_logger('part').debug('hidden')\n"
        "    get_logger('part').warning('shown')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert (done.stdout, "hidden" in done.stderr, "shown" in done.stderr) == ("", False, True)


def test_polls_of_fed_frames_keep_their_interval() -> None:
    """A mode is watched alike in this process and by the services."""
    given = {"speak": {"interval_s": 2.0}, "say": {"prompt": "?"}}
    with Coach(encoder="fake", generator="echo", strategy="interval", mode="polling", settings=given) as coach:
        said = [one for n in range(101) for one in coach.feed(np.zeros((48, 64, 3), np.uint8), n / 10)]
    assert [one.pts_s for one in said] == pytest.approx([4.0, 6.0, 8.0, 10.0])


def test_commentary_compares_with_what_it_spoke_about() -> None:
    given = {"watch": {"frames": 4, "sample_fps": 5.0}, "speak": {"interval_s": 0.5, "min_interval_s": 0.0}}
    levels = [0] * 40 + [2] * 20 + [4] * 20 + [9] * 20
    with Coach(encoder="fake", generator="echo", strategy="scene", mode="commentary", settings=given) as coach:
        said = [
            one for n, level in enumerate(levels) for one in coach.feed(np.full((48, 64, 3), level, np.uint8), n / 10)
        ]
    assert [one.pts_s for one in said] == pytest.approx([0.6, 8.2], abs=0.11)


def test_unread_look_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match=r"watch\.frames = 5 of a poll, but encoder\.backend = 'mobile_videogpt'"):
        Coach(strategy="interval", mode="polling", settings={"watch": {"frames": 5}})
