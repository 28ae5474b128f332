"""Evaluation: feedback and costs of a run's events, and the clips of a truth file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cornerman.local.eval_clips import given_clips, gym_clips
from cornerman.local.eval_run import EvalClipRun, EvalRun
from cornerman.local.evaluation import costs_of, feedback_in
from cornerman_shared.bus.messages import ErrorEvent, StateEvent, Times
from cornerman_shared.errors import SourceError
from tests.unit.cornerman.events import decision_event, end_event

END = end_event(text="Go deeper.", ttft_ms=20.0)
DECISION = decision_event(times=Times(encoded_at_s=10.0, decided_at_s=10.004))


def test_only_shown_feedback_counts() -> None:
    run = EvalClipRun()
    for event in (
        replace(END, pts_s=9.0, text="Well done.", action="feedback"),
        END,
        replace(END, pts_s=4.0, silent=True),
        replace(END, pts_s=5.0, status="expired", text=""),
        replace(END, pts_s=6.0, kind="question"),
    ):
        run.add(event)
    assert [(s.time_s, s.action, s.text) for s in feedback_in(run)] == [
        (2.5, "correct", "Go deeper."),
        (9.0, "feedback", "Well done."),
    ]


def test_first_error_is_kept() -> None:
    run = EvalClipRun()
    run.add(ErrorEvent("clip", "r", "decider", "no head", 1.0))
    run.add(ErrorEvent("clip", "r", "decider", "another", 2.0))
    run.add(StateEvent("clip", "r", "ended", "", 3.0))
    assert (run.failure, run.state) == ("decider: no head", "ended")


def test_costs_are_milliseconds_a_chunk() -> None:
    run = EvalClipRun([DECISION, replace(DECISION, seq=4)], [END])
    costs = costs_of(EvalRun((run,), {"encoder": 0.1}))
    assert costs["encoder_cpu_ms_per_chunk"] == 50.0
    assert costs["encoded_to_decided_ms_p50"] == pytest.approx(4.0, abs=0.1)
    assert costs["first_token_ms_p50"] == 20.0


def test_truth_file_names_its_videos(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / "clips" / name).write_bytes(b"")
    rows = [{"video": name, "feedbacks": [], "duration_s": 7.0} for name in ("a.mp4", "b.mp4")]
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps(rows), encoding="utf-8")
    found = given_clips("", truth, tmp_path / "clips")
    assert [clip.file() for clip, _ in found] == [tmp_path / "clips" / name for name in ("a.mp4", "b.mp4")]
    assert [session.duration_s for _, session in found] == [7.0, 7.0]
    with pytest.raises(SourceError, match="there is no such file"):
        given_clips("", truth, None)


def test_gym_clips_are_rendered_lazily(tmp_path: Path) -> None:
    ((clip, session),) = gym_clips(tmp_path, range(5, 6), "test", "exercise", 4.0, 8.0)
    assert list(tmp_path.iterdir()) == []
    assert clip.file().stat().st_size > 1000
    assert (clip.name, clip.length_s, session.duration_s) == ("test 5", 4.0, 4.0)
