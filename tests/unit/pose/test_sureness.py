"""How alike repetitions are, and how far a mistake is from the right ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cornerman_pose.taught.exercise import Prototype
from cornerman_pose.taught.sureness import HARDLY, alike, apart
from cornerman_pose.taught.takes import add_mistake, teach_exercise
from tests.unit.pose.moves import take


def prototypes(lean: float) -> tuple[Prototype, Prototype]:
    """Of right arm raises, and of those with a leaning trunk."""
    exercise = teach_exercise("arm_raise", "Arm raise", take(5), 5)
    exercise = add_mistake(exercise, "lean", "Do not lean!", "owner", take(5, lean, seed=3), 5)
    return exercise.good, exercise.mistakes[0].prototype


def test_even_repetitions_are_alike() -> None:
    good, _ = prototypes(0.3)
    assert 0.95 < alike(good) <= 1
    uneven = replace(good, spread=good.spread * 30)
    assert alike(uneven) < 0.5


def test_larger_mistake_is_further_apart() -> None:
    leans = [apart(*prototypes(lean)) for lean in (0.0, 0.1, 0.3)]
    assert leans[0] < HARDLY < leans[1] < leans[2]


def test_prototype_is_not_apart_from_itself() -> None:
    good, _ = prototypes(0.1)
    assert apart(good, good) == pytest.approx(0)
