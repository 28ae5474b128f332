"""The temporal F-score equals the reference evaluator's on its own vectors."""

import json
from pathlib import Path

import pytest

from cornerman_training.evaluate.temporal import Counts, count, match

VECTORS = json.loads((Path(__file__).parent / "data" / "temporal_f_score.json").read_text(encoding="utf-8"))


def test_sessions_give_reference_numbers() -> None:
    total = Counts()
    for session in VECTORS["sessions"]:
        truth, given = session["truth"], session["predicted"]
        counts = count(truth, given, session["truth_text"], session["predicted_text"])
        total += counts
        pairs = match(truth, given, session["predicted_text"])
        assert [[session["truth_text"][i], session["predicted_text"][j]] for i, j in pairs] == session["matched"]
        assert counts.matched_truth == session["matched_truth"]
        assert counts.matched_predicted == session["matched_predicted"]
        assert counts.f_score == pytest.approx(session["f_score"], abs=1e-12)
        assert total.f_score == pytest.approx(session["pooled_f_score"], abs=1e-12)


def test_empty_sessions_score_zero() -> None:
    assert Counts().f_score == 0.0
    assert count([1.0], [], ["a"], []).f_score == 0.0


def test_half_a_window_is_too_far() -> None:
    assert match([10.0], [11.5], ["x"]) == []
    assert match([10.0], [11.49], ["x"]) == [(0, 0)]


def test_empty_text_never_matches() -> None:
    assert match([10.0], [10.0], ["  "]) == []
