"""From the events of a run to what was said, what it cost, and which films a truth file asks for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cornerman.commands.evaluate import costs_of, said_in
from cornerman.local.eval_clips import given_clips, gym_clips
from cornerman.local.eval_run import EvalClipRun, EvalRun
from cornerman_shared.bus.messages import DecisionEvent, EndEvent, ErrorEvent, StateEvent, Times
from cornerman_shared.errors import ConfigError

END = EndEvent(
    source_id="film",
    run="r",
    request_id="film:r:3",
    attempt=1,
    kind="feedback",
    action="correct",
    status="done",
    pts_s=2.5,
    prompt="?",
    text="Go deeper.",
    silent=False,
    cause="",
    model="coach",
    n_input_tokens=9,
    n_output_tokens=3,
    ttft_ms=20.0,
    times=Times(),
)
DECISION = DecisionEvent(
    source_id="film",
    run="r",
    seq=3,
    pts_s=2.5,
    action="correct",
    confidence=0.9,
    reason="head",
    strategy="head",
    motion=0.1,
    status="ok",
    times=Times(encoded_at_s=10.0, decided_at_s=10.004),
)


def test_only_words_that_people_heard_count_in_order_of_time() -> None:
    sitting = EvalClipRun()
    for event in (
        replace(END, pts_s=9.0, text="Well done.", action="feedback"),
        END,
        replace(END, pts_s=4.0, silent=True),
        replace(END, pts_s=5.0, status="expired", text=""),
        replace(END, pts_s=6.0, kind="question"),
    ):
        sitting.take(event)
    assert [(s.time_s, s.action, s.text) for s in said_in(sitting)] == [
        (2.5, "correct", "Go deeper."),
        (9.0, "feedback", "Well done."),
    ]


def test_an_error_is_kept_because_silence_would_look_like_a_verdict() -> None:
    sitting = EvalClipRun()
    sitting.take(ErrorEvent("film", "r", "decider", "no head", 1.0))
    sitting.take(ErrorEvent("film", "r", "decider", "another", 2.0))
    sitting.take(StateEvent("film", "r", "ended", "", 3.0))
    assert (sitting.failure, sitting.state) == ("decider: no head", "ended")


def test_costs_are_milliseconds_a_chunk() -> None:
    sitting = EvalClipRun([DECISION, replace(DECISION, seq=4)], [END])
    costs = costs_of(EvalRun((sitting,), {"encoder": 0.1}))
    assert costs["encoder_cpu_ms_per_chunk"] == 50.0
    assert costs["encoded_to_decided_ms_p50"] == pytest.approx(4.0, abs=0.1)
    assert costs["first_token_ms_p50"] == 20.0


def test_a_truth_file_names_its_videos(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / "clips" / name).write_bytes(b"")
    rows = [{"video": name, "feedbacks": [], "duration_s": 7.0} for name in ("a.mp4", "b.mp4")]
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps(rows), encoding="utf-8")
    found = given_clips("", truth, tmp_path / "clips")
    assert [film.file() for film, _ in found] == [tmp_path / "clips" / name for name in ("a.mp4", "b.mp4")]
    assert [session.duration_s for _, session in found] == [7.0, 7.0]
    with pytest.raises(ConfigError, match="there is no such file"):
        given_clips("", truth, None)


def test_the_gym_s_films_are_rendered_when_their_turn_comes(tmp_path: Path) -> None:
    ((film, session),) = gym_clips(tmp_path, range(5, 6), "test", "exercise", 4.0, 8.0)
    assert list(tmp_path.iterdir()) == []
    assert film.file().stat().st_size > 1000
    assert (film.name, film.length_s, session.duration_s) == ("test 5", 4.0, 4.0)
