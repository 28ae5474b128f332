import numpy as np
import pytest

from cornerman_pose.channels import CHANNELS
from cornerman_pose.habit import BROKEN, Habit, far_seconds
from cornerman_pose.movements import FormRule, form_rules


def _rule(key: str) -> FormRule:
    return next(r for r in form_rules() if r.key == key)


@pytest.fixture
def usual() -> Habit:
    habit = Habit()
    for _ in range(3):
        habit.add(0.6, 2.4)
    return habit


def test_first_repetitions_tell_nothing() -> None:
    habit = Habit()
    habit.add(0.6, 2.4)
    assert habit.probability(_rule("squat:too_shallow"), 0.2, 1.0) == 0.0


def test_half_the_usual_depth_is_shallow(usual: Habit) -> None:
    assert usual.probability(_rule("squat:too_shallow"), 0.3, 2.4) > 0.9
    assert usual.probability(_rule("squat:too_shallow"), 0.55, 2.4) < 0.1


def test_half_the_usual_time_is_fast(usual: Habit) -> None:
    assert usual.probability(_rule("squat:too_fast"), 0.6, 1.2) > 0.8
    assert usual.probability(_rule("squat:too_fast"), 0.6, 2.1) < 0.1


def test_what_breaks_the_habit_is_forgotten(usual: Habit) -> None:
    for _ in range(8):
        usual.add(0.6, 1.2, quick=True)
        usual.add(0.3, 2.4, shallow=True)
    assert usual.probability(_rule("squat:too_fast"), 0.6, 1.2) > 0.8
    assert usual.probability(_rule("squat:too_shallow"), 0.3, 2.4) > 0.9


def test_unsteady_tempo_is_compared_with_quick_repetitions() -> None:
    habit = Habit()
    for seconds in (3.75, 2.0, 1.1):
        habit.add(0.6, seconds)
    assert habit.probability(_rule("push_up:too_fast"), 0.6, 1.0) < BROKEN
    assert habit.probability(_rule("push_up:too_fast"), 0.6, 0.55) > BROKEN


def test_half_the_time_is_half_beyond_the_middle() -> None:
    def squat(frames: int, before: int) -> float:
        rows = np.zeros((before + frames, len(CHANNELS)))
        turn = np.linspace(0, 2 * np.pi, frames)
        rows[before:, list(CHANNELS).index("ankle_up")] = 0.25 * (1 - np.cos(turn))
        return far_seconds("squat", rows)

    assert squat(24, 0) == pytest.approx(1.5, abs=0.1)
    assert squat(12, 0) == pytest.approx(squat(24, 0) / 2, abs=0.1)
    assert squat(24, 9) == pytest.approx(squat(24, 0), abs=0.15)
    assert far_seconds("plank", np.zeros((8, len(CHANNELS)))) == 0.0


def test_tiny_movement_is_no_repetition(usual: Habit) -> None:
    assert usual.probability(_rule("squat:too_shallow"), 0.05, 2.4) == 0.0


def test_other_rules_compare_nothing(usual: Habit) -> None:
    assert usual.probability(_rule("squat:knees_in"), 0.1, 0.5) == 0.0


def test_habit_survives_being_remembered(usual: Habit) -> None:
    again = Habit.of(list(usual.travel), list(usual.seconds))
    assert again == usual
    assert Habit.of(None, [1.0]) == Habit()
