from dataclasses import replace

import numpy as np
import pytest

from cornerman_pose.movements import form_rules
from cornerman_pose.reader import bundled_net
from cornerman_pose.repetitions import NamedMistake, RepetitionSeen
from cornerman_training.gym.labels import MISTAKES
from cornerman_training.gym.session import plan_session
from cornerman_training.skeleton.gym_points import landmark_points
from cornerman_training.skeleton.held_out import seen_landmarks, spoken, watch_session


def _rep(number: int, mistake: str = "") -> RepetitionSeen:
    rule = next((r for r in form_rules() if r.key == f"squat:{mistake}"), None)
    named = (NamedMistake(rule, 0.9, 2.0),) if rule else ()
    return RepetitionSeen("squat", number, 2.0 * number - 2, 2.0 * number, named, (), 0.9)


def test_gym_mistakes_have_rules() -> None:
    keys = {r.key for r in form_rules()}
    assert {f"{exercise}:{name}" for exercise, names in MISTAKES.items() for name in names} <= keys


def test_third_good_repetition_is_praised() -> None:
    said = spoken([_rep(1), _rep(2), _rep(3), _rep(4, "knees_in")])
    assert [(s.action, s.text) for s in said] == [("feedback", "squat:praise"), ("correct", "squat:knees_in")]


def test_doubted_one_is_not_praised() -> None:
    assert not spoken([_rep(1), _rep(2), replace(_rep(3), doubt=0.9), _rep(4), _rep(5)])


def test_good_ones_around_a_break_are_no_row() -> None:
    said = spoken([_rep(n) for n in range(1, 6)], breaks_s=[5.0])
    assert [s.time_s > 10.0 for s in said] == [True]


def test_short_hold_is_not_praised() -> None:
    spans = [RepetitionSeen("plank", 2 * n, 2.0 * n - 2, 2.0 * n, (), (), 0.9) for n in range(1, 11)]
    assert not spoken(spans[:5])
    assert [s.text for s in spoken(spans)] == ["plank:praise"]


def test_session_is_seen_in_its_picture() -> None:
    session = plan_session(12345, "test", fps=8.0, kind="exercise", duration_s=20)
    points, marks = landmark_points(session), seen_landmarks(session)
    assert points.shape == (160, 20, 3)
    assert np.isfinite(marks.image).all()
    inside = marks.image[marks.seen][:, [3, 4, 9, 10]]
    assert inside.min() > -50 and inside.max() < 450
    assert np.abs(marks.world[:, 9:11].mean(1)).max() < 1e-6


@pytest.mark.parametrize("seed", [12345, 12347])
def test_session_is_followed_and_repeatable(seed: int) -> None:
    net = bundled_net()
    session = plan_session(seed, "test", fps=8.0, kind="exercise", duration_s=30)
    first, again = (watch_session(net, session) for _ in range(2))
    assert first == again
    assert first.said or not first.session.truth


def test_empty_room_is_quiet() -> None:
    session = plan_session(5, "test", fps=8.0, kind="footage", duration_s=20)
    assert not watch_session(bundled_net(), session).said


def test_two_short_holds_are_not_one_long() -> None:
    spans = [RepetitionSeen("plank", 2 * n, 2.0 * n - 2, 2.0 * n, (), (), 0.9) for n in (1, 2, 3, 4, 5, 6) * 2]
    assert not spoken(spans)
