"""The report's numbers on sessions small enough to check by hand."""

import pytest

from cornerman_training.evaluate import SessionResult, SpokenFeedback, TimedSession, evaluate
from cornerman_training.evaluate.markdown import as_markdown
from cornerman_training.evaluate.words import MeaningOf
from cornerman_training.gym.phrases import meanings

KNEES = "Push your knees out, they are caving in."
DEEPER = "Go deeper, bring your hips down to knee height."
TRUTH = (
    SpokenFeedback(10.0, KNEES, "correct", "squat", "knees_in"),
    SpokenFeedback(20.0, "Great work, keep it up.", "feedback", "squat", ""),
    SpokenFeedback(30.0, DEEPER, "correct", "squat", "too_shallow"),
)
SESSION = TimedSession("one", 60.0, TRUTH)
MEANING = MeaningOf(meanings())


def test_report_equals_numbers_by_hand() -> None:
    said = (
        SpokenFeedback(10.5, KNEES, "correct"),
        SpokenFeedback(20.25, "Nice form, keep going.", "feedback"),
        SpokenFeedback(31.0, KNEES, "correct"),
        SpokenFeedback(50.0, KNEES, "correct"),
    )
    values = evaluate([SessionResult(SESSION, said)], MEANING).to_dict()
    assert values["precision"] == pytest.approx(0.75)
    assert values["recall"] == pytest.approx(1.0)
    assert values["mean_delay_s"] == pytest.approx((0.5 + 0.25 + 1.0) / 3)
    assert values["p90_delay_s"] == pytest.approx(1.0)
    assert values["false_alarms_per_min"] == pytest.approx(1.0)
    assert values["mistake_accuracy"] == pytest.approx(0.5)
    assert values["action_accuracy"] == pytest.approx(1.0)
    assert values["groups"]["squat:knees_in"] == {"truth": 1, "met": 1, "right": 1}  # type: ignore[index]


def test_report_has_documented_keys() -> None:
    interval = SessionResult(SESSION, tuple(SpokenFeedback(3.0 * i, "Keep going.") for i in range(20)))
    report = evaluate([SessionResult(SESSION, ())], MEANING, {"interval": [interval]})
    promised = {
        "temporal_f_score", "precision", "recall", "mean_delay_s", "p90_delay_s", "false_alarms_per_min",
        "quiet_alarms_per_min", "mistake_accuracy", "rouge_l", "sessions", "minutes", "baselines",
    }  # fmt: skip
    assert promised <= set(report.to_dict())
    assert report.to_dict()["baselines"]["interval"]["recall"] > 0  # type: ignore[index]
    assert "temporal F-score" in as_markdown(report)


def test_quiet_alarms_are_counted_apart() -> None:
    quiet = TimedSession("quiet", 30.0, (), quiet=True)
    values = evaluate([SessionResult(quiet, (SpokenFeedback(5.0, KNEES),)), SessionResult(SESSION, ())]).to_dict()
    assert values["quiet_alarms_per_min"] == pytest.approx(2.0)
    assert values["false_alarms_per_min"] == pytest.approx(1 / 1.5)


def test_unsorted_or_empty_results_are_refused() -> None:
    with pytest.raises(ValueError, match="order of time"):
        evaluate([SessionResult(SESSION, (SpokenFeedback(5.0, "a"), SpokenFeedback(4.0, "b")))])
    with pytest.raises(ValueError, match="at least one"):
        evaluate([])
