"""The engine and the pipeline of processes say the same about the same file: decision by decision, word by word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cornerman import Coach
from cornerman.local.poll_plan import PRESET
from cornerman_shared.settings.overrides import merge
from tests.e2e.commands import FAKES, FAST, Command, Result
from tests.unit.common.questions import OUTSIDE, WITHIN

# Batches change a model's numbers slightly, and they depend on timing.
ALONE = ("--encoder", "mobile_videogpt", "--set", "encoder.batch=1")
FAKE_ECHO = {"encoder": {"backend": "fake"}, "generator": {"backend": "echo"}}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def by_engine(source: str, mode: Any = "coach", **settings: Any) -> tuple[list[Any], list[Any]]:
    """(decisions, words) of the engine, as the pipeline's JSON lines have them."""
    with Coach(mode=mode, settings=settings) as coach:
        said = [(one.action, round(one.pts_s, 3), one.text) for one in coach.stream(source)]
        decided = [
            (one.seq, round(one.pts_s, 3), one.action, round(one.confidence, 4), one.reason) for one in coach.decisions
        ]
    return decided, said


def by_pipeline(ended: Result) -> tuple[list[Any], list[Any]]:
    assert ended.code == 0, ended.errors
    decided = [
        (line["seq"], line["pts_s"], line["action"], line["confidence"], line["reason"])
        for line in ended.of("decision")
    ]
    said = [(line["action"], line["pts_s"], line["text"]) for line in ended.of("feedback") if not line.get("silent")]
    return decided, said


def test_clip_is_coached_equally(cornerman: Callable[..., Command], short_clip: str) -> None:
    ended = cornerman("run", short_clip, "--lossless", "--json", *ALONE, *FAST).end()
    engine = by_engine(short_clip, encoder={"backend": "mobile_videogpt", "batch": 1})
    assert engine == by_pipeline(ended)
    assert len(engine[0]) > 20 and len(engine[1]) > 2


def test_forty_questions_are_told_apart(short_clip: str) -> None:
    """Twenty within the abilities get the model's words, twenty outside get none of them."""
    with Coach(encoder="mobile_videogpt") as coach:
        said = [one.text for one in coach.stream(short_clip)]
        within, outside = ([coach.ask(question) for question in questions] for questions in (WITHIN, OUTSIDE))
    assert {one.status for one in within} == {"done"} and all(one.text for one in within)
    assert {one.status for one in outside} == {"declined"}
    assert not {one.text for one in outside} & {*said, *(one.text for one in within)}
    assert all(one.text.startswith("I can only answer questions, in English, about form") for one in outside)


def test_rules_run_is_equal(cornerman: Callable[..., Command], short_clip: str) -> None:
    line = ("run", short_clip, "--lossless", "--strategy", "rules", "--json", *FAKES, *FAST)
    ended = cornerman(*line).end()
    engine = by_engine(short_clip, **merge(FAKE_ECHO, {"speak": {"strategy": "rules"}}))
    assert engine == by_pipeline(ended)
    assert {action for _, _, action, _, _ in engine[0]} == {"next", "feedback"}


def test_poll_run_is_equal(cornerman: Callable[..., Command], short_clip: str) -> None:
    lossless = ("--set", "watch.lossless=true", "--set", "watch.realtime=false")
    line = ("poll", short_clip, "--interval", "2", "--json", *lossless, *FAKES, *FAST)
    ended = cornerman(*line).end()
    engine = by_engine(short_clip, "polling", **merge(PRESET, FAKE_ECHO, {"speak": {"interval_s": 2.0}}))
    assert engine == by_pipeline(ended)
    assert len(engine[1]) > 3
