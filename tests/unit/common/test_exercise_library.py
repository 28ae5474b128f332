"""Own exercises as files: exact enough, read again when they change, bounded, and wrong ones explained."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from cornerman.cli import invoke
from cornerman_common.exercise_file import MAX_BYTES, MAX_MISTAKES, exercise_text, mistake_name, parse_exercise
from cornerman_common.exercise_library import ExerciseLibrary, ExerciseTakenError
from cornerman_common.profile_library import ProfileLibrary
from cornerman_pose.taught.exercise import TaughtExercise
from cornerman_pose.taught.takes import add_mistake, right_repetitions, teach_exercise
from cornerman_shared.errors import ConfigError
from tests.unit.pose.moves import take
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
        ("version: 1", "version: 2", "newer release"),
        ("version: 1", "version: 0", "version"),
        ("say: Stand straight.", "say: '  '", "say"),
        ("title: Raise", "title: ' '", "title"),
        ("steps: ", "steps: '?'\n  x: ", "unknown setting"),
        ("title: Raise", "title: ''", "title"),
        ("- hands", "- tail", "tail"),
        ("title: Raise", f"title: {'a' * MAX_BYTES}", "at most"),
    ],
)
def test_wrong_field_is_refused(exercise: TaughtExercise, old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_exercise("raise", exercise_text(exercise).replace(old, new, 1), "raise.yaml")


@pytest.mark.parametrize("value", ["!!bool x", '!!int ""', "!!timestamp x", "[" * 9_000, "0x" + "f" * 5_000])
def test_odd_file_harms_no_other(tmp_path: Path, exercise: TaughtExercise, value: str) -> None:
    library = ExerciseLibrary(tmp_path)
    library.save(exercise)
    (tmp_path / "exercises" / "bad.yaml").write_text(f'"\\e]52;c;eA==": 1\ntitle: {value}\n')
    bad, good = library.all()
    assert bad.exercise is None and bad.problem and "\x1b" not in bad.problem
    assert good.exercise is not None


def test_mistakes_taught_at_once_are_kept(tmp_path: Path, exercise: TaughtExercise) -> None:
    first, second = ExerciseLibrary(tmp_path), ExerciseLibrary(tmp_path)  # of two gateways
    first.save(replace(exercise, mistakes=()))
    names = [f"m{i}" for i in range(MAX_MISTAKES)]
    with ThreadPoolExecutor(4) as pool:
        for number, name in enumerate(names):
            mistake = replace(exercise.mistakes[0], name=name)
            pool.submit((first, second)[number % 2].save_mistake, "raise", mistake)
    assert sorted(one.name for one in first.get("raise").mistakes) == names
    with pytest.raises(ConfigError, match="has 8 mistakes"):
        second.save_mistake("raise", replace(exercise.mistakes[0], name="more"))
    with pytest.raises(ExerciseTakenError, match="there already"):
        second.save(exercise, replaces=False)


def test_removed_exercises_leave_memory(tmp_path: Path, exercise: TaughtExercise) -> None:
    library = ExerciseLibrary(tmp_path)
    for number in range(5):
        library.save(replace(exercise, name=f"e{number}"))
        assert len(library.all()) == 1 == len(library._read)
        library.remove(f"e{number}")


def test_show_prints_no_escape_sequence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CORNERMAN_GATEWAY__PROFILES_DIR", str(tmp_path))
    for kind in ("exercises", "profiles"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "bad.yaml").write_text('title: \x1b]52;c;eA==\a\n"\\e]52;c;eA==": 1\n')
        assert invoke([kind, "show", "bad"]) == 0 and invoke([kind, "list"]) == 0
    assert "\x1b]" not in "".join(capsys.readouterr())


def test_unreadable_file_is_tried_again(
    tmp_path: Path, exercise: TaughtExercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, profiles = ExerciseLibrary(tmp_path), ProfileLibrary(tmp_path)
    path = library.save(exercise).path
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "own.yaml").write_text("title: A\nsay: {prompt: p}\n")
    before = library.stamp("raise")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", Mock(side_effect=PermissionError(13, "Permission denied")))
        assert "let this user read it" in library.all()[0].problem
        assert "let this user read it" in profiles.all("profile")[-1].problem
    assert library.all()[0].problem == profiles.all("profile")[-1].problem == ""
    path.chmod(0o600)
    assert library.stamp("raise") != before  # a source that waits for it looks again


def test_bundled_name_is_refused(tmp_path: Path, exercise: TaughtExercise) -> None:
    with pytest.raises(ConfigError, match="bundled"):
        ExerciseLibrary(tmp_path).save_text("squat", exercise_text(exercise))


def test_mistake_names_come_from_sentences() -> None:
    assert mistake_name("Heels up!") == "heels_up"
    assert mistake_name("かかと").startswith("mistake_")
    similar = (
        "左 arm up",
        "右 arm up",
        "Arm up",
        f"{'Keep your back straight ' * 3}up",
        f"{'Keep your back straight ' * 3}!",
    )
    assert len({mistake_name(each) for each in similar}) == len(similar)
    with pytest.raises(ConfigError, match="characters"):
        mistake_name(" ")


def test_right_repetitions_stay_with_their_exercise(tmp_path: Path) -> None:
    """A mistake shown later was tried on its own repetitions only."""
    library, track = ExerciseLibrary(tmp_path), take(5)
    exercise, shown = teach_exercise("raise", "Raise", track, 5), right_repetitions(track, 5)
    library.save(exercise, right=shown)
    saved = library.get("raise")
    again = library.right(saved)
    assert [one.shape for one in again] == [one.shape for one in shown]
    mistake = add_mistake(saved, "lean", "Stand straight.", "owner", take(5, lean=0.4, seed=1), 5).mistakes[0]
    library.save_mistake("raise", mistake)
    assert len(library.right(library.get("raise"))) == 5
    other = teach_exercise("raise", "Raise", take(5, lean=0.4, seed=1), 5)
    assert library.right(other) == ()
    library.save_text("raise", library.text("raise"))
    assert library.right(library.get("raise")) == ()
    library.save(exercise, right=shown)
    library.remove("raise")
    assert list(library.folder.iterdir()) == []


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut", b"\x93NUMPY"])
def test_damaged_repetitions_are_left_out(tmp_path: Path, damage: bytes) -> None:
    library, track = ExerciseLibrary(tmp_path), take(5)
    exercise = teach_exercise("raise", "Raise", track, 5)
    library.save(exercise, right=right_repetitions(track, 5))
    (library.folder / "raise.npz").write_bytes(damage)
    assert library.right(exercise) == ()
