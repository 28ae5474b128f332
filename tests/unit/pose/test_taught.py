"""Own exercises: learned from five repetitions, counted in a stream, good told from a mistake."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cornerman_pose.features import LandmarkGrid
from cornerman_pose.landmarks import LandmarkTrack
from cornerman_pose.taught.alignment import resampled, warped
from cornerman_pose.taught.counter import TaughtCounter, TaughtRepetition
from cornerman_pose.taught.exercise import TaughtExercise
from cornerman_pose.taught.learning import TeachingError
from cornerman_pose.taught.segments import find_repetitions, turning_points
from cornerman_pose.taught.takes import add_mistake, teach_exercise, track_of
from tests.unit.pose.moves import take


def leaning() -> TaughtExercise:
    """Arm raises, and the trunk that leans."""
    exercise = teach_exercise("raise", "Raise", take(5), 5)
    return add_mistake(exercise, "leaning", "Stand straight.", "owner", take(5, lean=0.4, seed=1), 5)


def counted(counter: TaughtCounter, track: LandmarkTrack, size: int = 4) -> list[TaughtRepetition]:
    names = ("t_s", "image_px", "world_m", "visibility", "presence")
    times, features = LandmarkGrid().push(*(getattr(track, name).astype(np.float64) for name in names))
    found: list[TaughtRepetition] = []
    for start in range(0, len(times), size):
        found += counter.push(times[start : start + size], features[start : start + size])
    return found


def test_five_repetitions_are_learned() -> None:
    good = leaning().good
    assert good.repetitions == 5
    assert 1.2 < good.seconds[0] <= good.seconds[1] < 2.6
    assert "hands" in leaning().parts and "feet" not in leaning().parts


@pytest.mark.parametrize("seconds", [1.4, 2.0, 3.2])
def test_other_tempo_is_counted(seconds: float) -> None:
    found = counted(TaughtCounter((leaning(),)), take(7, seconds=seconds, seed=5))
    assert [one.number for one in found] == [1, 2, 3, 4, 5, 6, 7]
    assert all(one.verdict.judged and one.verdict.mistake is None for one in found)


def test_mistake_is_told() -> None:
    found = counted(TaughtCounter((leaning(),)), take(6, lean=0.4, seed=6))
    assert [one.verdict.mistake.say for one in found if one.verdict.mistake] == ["Stand straight."] * 6
    assert all(one.verdict.probability > 0.75 for one in found)


def test_between_both_abstains() -> None:
    found = counted(TaughtCounter((leaning(),)), take(6, lean=0.16, seed=7))
    assert len(found) == 6
    assert not any(one.verdict.mistake for one in found)
    assert sum(not one.verdict.judged for one in found) >= 4


def test_chunk_size_changes_nothing() -> None:
    track = take(4, seed=8)
    ends = [[one.end_s for one in counted(TaughtCounter((leaning(),)), track, size)] for size in (1, 4, 40)]
    assert ends[0] == ends[1] == ends[2]


def test_other_side_is_counted_and_told() -> None:
    """A left arm was taught; the right arm does it, or the estimator confuses the sides."""
    exercise = teach_exercise("raise", "Raise", take(5, arms="left"), 5)
    exercise = add_mistake(exercise, "leaning", "Up.", "owner", take(5, lean=-0.4, seed=1, arms="right"), 5)
    assert len(counted(TaughtCounter((exercise,)), take(6, seed=2, arms="right"))) == 6
    wrong = counted(TaughtCounter((exercise,)), take(6, lean=-0.4, seed=3, arms="right"))
    assert [one.verdict.mistake is not None for one in wrong] == [True] * 6


def test_example_begins_and_ends_at_rest() -> None:
    """Without pauses the way down and up again is as regular as the way up and down."""
    rows = np.sin(np.linspace(-np.pi / 2, 9.5 * np.pi, 160))[:, None] @ np.ones((1, 3))
    spans = find_repetitions(rows, np.ones(3), 5)
    assert all(rows[(a + b) // 2, 0] > 0.5 for a, b in spans)


def test_known_movement_cuts_a_wild_example() -> None:
    """A lunge in which the arms flail twice was cut at the arms, and the example refused."""
    at = np.linspace(0, 1, 160)
    lunges, arms = np.sin(5 * np.pi * at) ** 2, 3 * np.sin(2 * np.pi * at**2) ** 2
    rows = np.stack([lunges, arms], axis=1)
    assert len(find_repetitions(rows, np.ones(2), 5)) != 5
    assert len(find_repetitions(rows, np.ones(2), 5, (np.array([1.0, 0.0]),))) == 5


def test_last_repetition_needs_no_rest() -> None:
    """A take that ended with its fifth repetition counted four."""
    track = take(5, seed=4)
    arrays = (getattr(track, name)[:99] for name in ("t_s", "image_px", "world_m", "visibility", "presence"))
    assert len(counted(TaughtCounter((leaning(),)), LandmarkTrack(*arrays, track.size_px))) == 5


def test_standing_is_not_counted() -> None:
    assert counted(TaughtCounter((leaning(),)), take(6, top=0.3, seed=9)) == []


def test_two_exercises_are_told_apart() -> None:
    small = teach_exercise("half", "Half", take(5, top=1.2), 5)
    full = teach_exercise("full", "Full", take(5, top=2.6), 5)
    counter = TaughtCounter((small, full))
    assert {one.exercise.name for one in counted(counter, take(4, top=2.6, seed=3))} == {"full"}
    assert counter.exercise == "full" and counter.count == 4


def test_set_goes_on_elsewhere() -> None:
    first, second = TaughtCounter((leaning(),)), TaughtCounter((leaning(),))
    counted(first, take(3, seed=4))
    second.resume(first.memory())
    assert (second.exercise, second.count) == ("raise", 3)


@pytest.mark.parametrize("stated", [3, 8])
def test_wrong_number_is_refused(stated: int) -> None:
    with pytest.raises(TeachingError, match=rf"shows 5 repetitions .*and {stated} were stated"):
        teach_exercise("raise", "Raise", take(5), stated)


def test_nobody_is_refused() -> None:
    empty = replace(take(5), presence=np.zeros(len(take(5)), np.float32))
    with pytest.raises(TeachingError, match="shows a person in 0 of"):
        teach_exercise("raise", "Raise", empty, 5)
    with pytest.raises(TeachingError, match="no person is seen"):
        track_of([])


def test_take_is_put_together() -> None:
    track = take(5)
    again = track_of(track.chunks(overlap=4))
    assert np.allclose(again.t_s, track.t_s[: len(again)])
    assert teach_exercise("raise", "Raise", again, 5).good.repetitions == 5


def test_warping_undoes_a_pause() -> None:
    line = np.linspace(0, 1, 20)[:, None]
    paused = np.concatenate([line[:10], np.repeat(line[9:10], 8, axis=0), line[10:]])
    assert np.abs(warped(paused, resampled(line), np.ones(1)) - resampled(line)).max() < 0.08
    assert turning_points(np.array([0.0, 1, 0, 0.2, 0, 1, 0]), 0.5) == [1, 5]
