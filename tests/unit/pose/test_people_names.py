"""One name for each exercise and mistake."""

from __future__ import annotations

import pytest

from cornerman_pose.movements import form_rules
from cornerman_pose.people_eval.clips import exercise_of, verdict_of, visible
from cornerman_pose.people_eval.names import exercise_name, mistake_name


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Squats", "squat"),
        ("squant", "squat"),
        ("push ups", "push_up"),
        ("jump_jack", "jumping_jack"),
        ("Romanian deadlift", "deadlift"),
        ("high knees (slow)", "high_knees"),
        ("biceps curl", "biceps_curl"),
        ("pommelhorse", "pommelhorse"),
        ("rest", ""),
        ("", ""),
    ],
)
def test_exercise_has_one_name(label: str, name: str) -> None:
    assert exercise_name(label) == name


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("squat", "squat"),
        ("other: sit-up", "sit_up"),
        ("other: yoga warrior II", ""),
        ("none: walking on a treadmill", ""),
        ("none: squat jokes", ""),
    ],
)
def test_only_known_exercises_are_expected(label: str, name: str) -> None:
    assert exercise_of(label) == name


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("half range at the bottom", "half_way_down"),
        ("knee over toe", "short_step"),
        ("head down", "head_dropped"),
        ("knee_dominant", "squatting"),
        ("hip_first", "hips_first"),
        ("rounded_back", "round_back"),
        ("no lockout", "not_upright"),
    ],
)
def test_mistake_has_the_coachs_name(label: str, name: str) -> None:
    assert mistake_name(label) == name
    assert name in {rule.name for rule in form_rules()}


def test_mistake_loses_its_exercise() -> None:
    assert mistake_name("squat:round_back") == mistake_name("Rounded back") == "round_back"


def test_visible_mistake_has_names_and_span() -> None:
    found = visible("round_back/leaning (0-5 s)")
    assert (found.names, found.span_s) == (("round_back", "leaning_forward"), (0.0, 5.0))
    assert visible("feet on one line (first)").span_s is None


@pytest.mark.parametrize(
    ("text", "verdict"),
    [("good (push press)", "good"), ("mistake then good", "mistake"), ("unclear", "unclear"), ("-", "none")],
)
def test_verdict_is_the_first_word(text: str, verdict: str) -> None:
    assert verdict_of(text) == verdict
