"""Own exercises as files: exact enough, read again when they change, bounded, and wrong ones explained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cornerman_common.exercise_file import MAX_BYTES, exercise_text, mistake_name, parse_exercise
from cornerman_common.exercise_library import ExerciseLibrary
from cornerman_pose.taught.exercise import TaughtExercise
from cornerman_shared.errors import ConfigError
from tests.unit.pose.test_taught import leaning


@pytest.fixture(scope="module")
def exercise() -> TaughtExercise:
    return leaning()


def test_file_holds_the_exercise(exercise: TaughtExercise) -> None:
    text = exercise_text(exercise)
    again = parse_exercise("raise", text, "raise.yaml")
    assert len(text) < 12_000
    assert (again.title, again.parts, again.mistakes[0].say) == ("Raise", exercise.parts, "Stand straight.")
    assert np.abs(again.good.steps - exercise.good.steps).max() < 0.01
    assert exercise_text(again) == text


def test_library_saves_and_removes(tmp_path: Path, exercise: TaughtExercise) -> None:
    library = ExerciseLibrary(tmp_path)
    assert library.all() == []
    library.save(exercise)
    assert [one.name for one in library.all()] == ["raise"]
    before = library.stamp("raise")
    library.save_text("raise", library.text("raise").replace("title: Raise", "title: Arms"))
    assert library.get("raise").title == "Arms" and library.stamp("raise") != before
    library.remove("raise")
    with pytest.raises(ConfigError, match="no such own exercise"):
        library.get("raise")


def test_wrong_file_says_why(tmp_path: Path, exercise: TaughtExercise) -> None:
    library = ExerciseLibrary(tmp_path)
    library.save(exercise)
    path = tmp_path / "exercises" / "raise.yaml"
    path.write_text(path.read_text().replace("words: owner", "words: parrot"))
    assert "words = 'parrot'" in library.all()[0].problem
    with pytest.raises(ConfigError, match="parrot"):
        library.get("raise")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version: 1", "version: 2", "version"),
        ("steps: ", "steps: '?'\n  x: ", "unknown setting"),
        ("title: Raise", "title: ''", "title"),
        ("- hands", "- tail", "tail"),
        ("title: Raise", f"title: {'a' * MAX_BYTES}", "at most"),
    ],
)
def test_wrong_field_is_refused(exercise: TaughtExercise, old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_exercise("raise", exercise_text(exercise).replace(old, new, 1), "raise.yaml")


def test_bundled_name_is_refused(tmp_path: Path, exercise: TaughtExercise) -> None:
    with pytest.raises(ConfigError, match="bundled"):
        ExerciseLibrary(tmp_path).save_text("squat", exercise_text(exercise))


def test_mistake_names_come_from_sentences() -> None:
    assert mistake_name("Heels up!") == "heels_up"
    assert mistake_name("かかと").startswith("mistake_")
    with pytest.raises(ConfigError, match="characters"):
        mistake_name(" ")
