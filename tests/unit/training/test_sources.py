"""Truth from the gym's JSON, QEVD-style JSON and WebVTT, and errors for bad files."""

import json
from pathlib import Path

import pytest

from cornerman_training.evaluate.sources import read_truth
from cornerman_training.gym.session import plan_session
from cornerman_training.gym.truth import as_vtt, truth


def test_gym_json_equals_vtt(tmp_path: Path) -> None:
    session = plan_session(3, "test", fps=8.0, duration_s=40.0, kind="exercise")
    table, subtitles = tmp_path / "a.json", tmp_path / "a.vtt"
    table.write_text(json.dumps(truth(session)), encoding="utf-8")
    subtitles.write_text(as_vtt(session), encoding="utf-8")
    (first,), (second,) = read_truth(table), read_truth(subtitles)
    assert [t.text for t in first.truth] == [f.text for f in session.feedbacks]
    assert [(t.action, t.text) for t in first.truth] == [(t.action, t.text) for t in second.truth]
    assert [t.time_s for t in first.truth] == pytest.approx([t.time_s for t in second.truth], abs=1e-3)
    assert first.duration_s == 40.0


def test_qevd_style_list_is_read(tmp_path: Path) -> None:
    path = tmp_path / "q.json"
    row = {"video": "v.mp4", "feedbacks": ["b", "a"], "feedback_timestamps": [5.0, 2.5], "video_timestamps": [0, 9.5]}
    path.write_text(json.dumps([row]), encoding="utf-8")
    (session,) = read_truth(path)
    assert [(t.time_s, t.text) for t in session.truth] == [(2.5, "a"), (5.0, "b")]
    assert (session.duration_s, session.video) == (9.5, "v.mp4")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("{", "not JSON"),
        ("[]", "no session"),
        ('{"a": 1}', "feedbacks"),
        ('{"feedbacks": ["x"]}', "no time"),
        ('{"feedbacks": ["x"], "feedback_timestamps": []}', "feedback_timestamps"),
        ('{"feedbacks": [{"time_s": 1}]}', "a time in seconds and a text"),
    ],
)
def test_bad_json_is_refused(tmp_path: Path, text: str, wrong: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=wrong):
        read_truth(path)


def test_missing_file_and_vtt_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"gone\.json"):
        read_truth(tmp_path / "gone.json")
    path = tmp_path / "no.vtt"
    path.write_text("hello", encoding="utf-8")
    with pytest.raises(ValueError, match="WEBVTT"):
        read_truth(path)


def test_times_start_at_first_frame(tmp_path: Path) -> None:
    row = {
        "video": "a.mp4",
        "feedbacks": ["Go deeper."],
        "feedback_timestamps": [1004.5],
        "video_timestamps": [1000.0, 1010.0],
    }
    path = tmp_path / "set.json"
    path.write_text(json.dumps([row]), encoding="utf-8")
    (session,) = read_truth(path)
    assert [feedback.time_s for feedback in session.truth] == [4.5]
    assert session.duration_s == 10.0
