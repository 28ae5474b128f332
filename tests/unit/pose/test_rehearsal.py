"""What an own exercise says about itself: its examples are counted and told again, and poor ones are named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cornerman_pose.body_parts import PARTS
from cornerman_pose.landmarks import INDEX
from cornerman_pose.taught.exercise import TaughtExercise
from cornerman_pose.taught.rehearsal import Rehearsal, counted_again, rehearse_good, rehearse_mistake
from cornerman_pose.taught.sureness import doubts_of_mistake, doubts_of_repetitions
from cornerman_pose.taught.takes import add_mistake, right_repetitions, teach_exercise, wrong_repetitions
from tests.unit.pose.moves import take

GOOD = take(5)


def raises() -> TaughtExercise:
    return teach_exercise("raise", "Raise", GOOD, 5)


def rehearsed(lean: float) -> Rehearsal:
    """Of arm raises whose mistake is a trunk that leans so far."""
    bad = take(5, lean, seed=3)
    exercise = add_mistake(raises(), "lean", "Stand straight.", "owner", bad, 5)
    return rehearse_mistake(
        exercise, exercise.mistakes[0], bad, wrong_repetitions(exercise, "", bad, 5), right_repetitions(GOOD, 5)
    )


def test_clear_examples_raise_no_doubt() -> None:
    assert rehearse_good(raises(), GOOD) == Rehearsal(0, 0, ())
    assert rehearsed(0.4) == Rehearsal(10, 10, ())
    assert rehearsed(0.4).in_words == "of 10 repetitions shown it tells 10 right by the others"


def test_mistake_that_hardly_differs_is_named() -> None:
    found = rehearsed(0.0)
    assert found.told < 10
    assert any("hardly differs" in one and "do it larger" in one for one in found.doubts)


def test_mistake_added_later_tries_its_own() -> None:
    bad = take(5, 0.4, seed=3)
    exercise = add_mistake(raises(), "lean", "Stand straight.", "owner", bad, 5)
    wrong = wrong_repetitions(exercise, "", bad, 5)
    assert rehearse_mistake(exercise, exercise.mistakes[0], bad, wrong) == Rehearsal(5, 5, ())


def test_few_repetitions_are_named() -> None:
    two = take(2)
    found = rehearse_good(teach_exercise("raise", "Raise", two, 2), two)
    assert ["2 repetitions; show five" in one for one in found.doubts] == [True]
    assert Rehearsal(0, 0, ()).in_words == ""


def test_half_a_body_is_named() -> None:
    visibility = GOOD.visibility.copy()
    visibility[:, [INDEX[f"{side}_{name}"] for side in ("left", "right") for name in ("knee", "ankle", "heel")]] = 0.1
    half = replace(GOOD, visibility=visibility)
    found = rehearse_good(teach_exercise("raise", "Raise", half, 5), half)
    assert any("knees, feet" in one and "step back" in one for one in found.doubts)


def test_uneven_repetitions_are_named() -> None:
    good = replace(raises().good, spread=raises().good.spread * 30)
    found = doubts_of_repetitions(good, set(PARTS), 3)
    assert "uneven" in found[0] and "3 of its 5 repetitions are counted" in found[1]


def test_mistakes_told_by_chance_are_named() -> None:
    exercise = add_mistake(raises(), "lean", "Stand straight.", "owner", take(5, 0.4, seed=3), 5)
    good, wrong = exercise.good, exercise.mistakes[0].prototype
    assert doubts_of_mistake(good, wrong, 8, 10) == ()
    assert "it tells 6 right" in doubts_of_mistake(good, wrong, 6, 10)[0]


def test_example_is_counted_again() -> None:
    assert counted_again(raises(), GOOD) == 5
    still = replace(GOOD, presence=np.zeros(len(GOOD), np.float32))
    assert counted_again(raises(), still) == 0
