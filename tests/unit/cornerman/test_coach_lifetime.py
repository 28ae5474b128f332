"""The engine when it is left, interrupted, closed or misused."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cornerman import Coach
from cornerman_shared.errors import ConfigError, SourceError

SHORT = "test://pattern?seconds=4"
ENDLESS = "test://pattern?seconds=600"
FRAME = np.zeros((48, 64, 3), np.uint8)
SAID = 7


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def made() -> Coach:
    speak = {"interval_s": 0.5, "min_interval_s": 0.0}
    return Coach(encoder="fake", generator="echo", strategy="interval", prompt="How?", settings={"speak": speak})


@pytest.fixture
def coach() -> Iterator[Coach]:
    with made() as one:
        yield one


def fed(coach: Coach, frames: int = 16) -> list[str]:
    return [one.request_id for i in range(frames) for one in coach.feed(FRAME, i / 8)]


def test_ctrl_c_leaves_stream(coach: Coach) -> None:
    """The interrupt came as "asynchronous generator is already running", and no stream could begin any more."""
    interrupt = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        for i, _ in enumerate(coach.stream(ENDLESS, realtime=True)):
            if i == 0:
                interrupt.start()
    assert len(list(coach.stream(SHORT))) == SAID


async def test_astream_may_be_left(coach: Coach) -> None:
    async for _ in coach.astream(SHORT):
        break
    assert len([one async for one in coach.astream(SHORT)]) == SAID


async def test_cancelled_astream_is_left(coach: Coach) -> None:
    began = asyncio.Event()

    async def watch() -> None:
        async for _ in coach.astream(ENDLESS, realtime=True):
            began.set()

    watching = asyncio.create_task(watch())
    await began.wait()
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
    assert len([one async for one in coach.astream(SHORT)]) == SAID


def test_frames_after_stream_are_new(coach: Coach) -> None:
    list(coach.stream(SHORT))
    assert fed(coach)[0].startswith("frames:")
    assert [one.seq for one in coach.decisions][-3:] == [0, 1, 2]
    list(coach.stream(SHORT))
    coach.reset()
    assert fed(coach)[0].startswith("frames:")


def test_requests_have_own_ids(coach: Coach) -> None:
    said = [one.request_id for _ in range(2) for one in coach.stream(SHORT)]
    assert len(set(said)) == len(said) == 2 * SAID


def test_frames_during_stream_are_refused(coach: Coach) -> None:
    stream = coach.stream(SHORT)
    next(stream)
    with pytest.raises(ConfigError, match="watches another stream; let it end, or feed"):
        coach.feed(FRAME, 0.0)
    stream.close()
    assert fed(coach)


def test_reset_stream_goes_on(coach: Coach) -> None:
    stream = coach.stream(SHORT)
    next(stream)
    coach.reset()
    assert len(list(stream)) >= SAID - 2
    assert {one.source_id for one in coach.decisions} == {"pattern"}


def test_closed_coach_ends_streams() -> None:
    coach = made()
    seen = 0
    for _ in coach.stream(SHORT):
        seen += 1
        coach.close()
    assert seen == 1
    with pytest.raises(RuntimeError, match="closed"):
        list(coach.stream(SHORT))


def test_other_thread_may_close() -> None:
    coach = made()
    seen: list[float] = []
    for one in coach.stream(ENDLESS, realtime=True):
        seen.append(one.pts_s)
        if len(seen) == 1:
            threading.Thread(target=coach.close).start()
    assert seen


def test_dropped_coach_ends_its_thread() -> None:
    before = set(threading.enumerate())
    coach = made()
    (thread,) = [each for each in set(threading.enumerate()) - before if each.name == "cornerman-coach"]
    del coach
    gc.collect()
    thread.join(60)
    assert not thread.is_alive()


@pytest.mark.parametrize("question", ["", " \n", "x" * 2001, None, 5])
def test_wrong_question_is_named(question: Any, coach: Coach) -> None:
    with pytest.raises(ConfigError, match=r"question (has|of type)"):
        coach.ask(question)


@pytest.mark.parametrize("pts_s", [float("nan"), float("inf"), "x", [1.0]])
def test_wrong_time_is_named(pts_s: Any, coach: Coach) -> None:
    with pytest.raises(ConfigError, match="is not a time"):
        coach.feed(FRAME, pts_s)


def test_path_is_a_source(coach: Coach, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no\.mp4': there is no such file"):
        next(coach.stream(tmp_path / "no.mp4"))


@pytest.mark.parametrize("source", ["", " ", None, -1, 1.5, True, b"x.mp4"])
def test_wrong_source_is_named(source: Any, coach: Coach) -> None:
    with pytest.raises(SourceError, match=r"is empty; give|give a path, an address"):
        next(coach.stream(source))
