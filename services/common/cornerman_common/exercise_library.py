"""Own exercises at hand: `exercises/NAME.yaml` in the user's folder, read again when a file changes.

Sharing one is copying its file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cornerman_common.exercise_file import MAX_BYTES, MAX_MISTAKES, exercise_text, parse_exercise
from cornerman_common.right_repetitions import Array, read_right, right_path, write_right
from cornerman_common.saved_folder import (
    MAX_FILES,
    Stamp,
    changing,
    check_saved,
    remove_saved,
    saved_names,
    stamp_of,
    user_folder,
    write_saved,
)
from cornerman_common.saved_settings import check_name
from cornerman_pose.movements import exercise_names
from cornerman_pose.taught.exercise import TaughtExercise, TaughtMistake
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.files import read_text


class ExerciseTakenError(ConfigError):
    """There is an exercise of this name, and it was not to be replaced."""


@dataclass(frozen=True, slots=True)
class SavedExercise:
    """An own exercise by name; `exercise` is None where its file cannot be used, and `problem` says why."""

    name: str
    path: Path
    exercise: TaughtExercise | None
    problem: str = ""


class ExerciseLibrary:
    """Reads and writes own exercises. Its methods read the disk, so a service calls them in a thread.

    Args:
        folder: the user's; need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "exercises"
        self._read: dict[Path, tuple[Stamp, SavedExercise]] = {}

    @classmethod
    def of(cls, setting: str) -> ExerciseLibrary:
        """The library for `gateway.profiles_dir`; empty = the user's configuration folder."""
        return cls(user_folder(setting))

    def all(self) -> list[SavedExercise]:
        """Every one, sorted by name; those that cannot be used say why."""
        paths = [self.folder / name for name in saved_names(self.folder)[:MAX_FILES]]
        for known in list(self._read):  # in one step: other threads read, too
            if known not in paths:
                self._read.pop(known, None)
        return [self._load(path) for path in paths]

    def get(self, name: str) -> TaughtExercise:
        """One that can be used.

        Raises:
            ConfigError: there is none of this name, or its file is wrong.
        """
        found = self._load(self._path(name))
        if found.exercise is None:
            raise ConfigError(found.problem)
        return found.exercise

    def stamp(self, name: str) -> Stamp:
        """Changes when the file does; () = there is none."""
        return _stamp(self.folder / f"{name}.yaml")

    def text(self, name: str) -> str:
        """The text of a file, also of one that is wrong.

        Raises:
            ConfigError: there is none of this name, or it cannot be read.
        """
        return read_text(self._path(name), MAX_BYTES)

    def check_room(self, name: str) -> None:
        """Refuses what `save` could not write, before an exercise is learned.

        Raises:
            ConfigError: there are too many, or this user may not write there.
        """
        check_saved(self.folder / f"{name}.yaml", "exercise")

    def save(self, exercise: TaughtExercise, *, replaces: bool = True, right: Sequence[Array] = ()) -> SavedExercise:
        """Writes a file, whole or not at all.

        Args:
            exercise: to be kept.
            replaces: whether one of its name may be there.
            right: the right repetitions that taught it, from `takes.right_repetitions`; kept for mistakes to come.

        Raises:
            ExerciseTakenError: there is one, and it may not be replaced.
            ConfigError: the name is not usable, there are too many, or no room.
        """
        return self._write(exercise.name, exercise_text(exercise), replaces, right)

    def right(self, exercise: TaughtExercise) -> tuple[Array, ...]:
        """The right repetitions that taught an exercise; empty = they are not at hand, as of a shared one."""
        return read_right(self.folder / f"{exercise.name}.yaml", exercise)

    def save_mistake(self, name: str, mistake: TaughtMistake) -> SavedExercise:
        """Adds a mistake to an exercise as it is now, so that none is lost that was added meanwhile.

        Raises:
            ConfigError: there is no such exercise, it has too many mistakes, or there is no room.
        """
        with changing(self.folder):
            exercise = self.get(name)
            others = [one for one in exercise.mistakes if one.name != mistake.name]
            if len(others) >= MAX_MISTAKES:
                raise ConfigError(f"{name!r} has {len(others)} mistakes; an exercise has at most {MAX_MISTAKES}")
            exercise = replace(exercise, mistakes=(*others, mistake))
            return self._written(name, exercise_text(exercise))

    def save_text(self, name: str, text: str) -> SavedExercise:
        """Writes a file of another person's.

        Raises:
            ConfigError: the name or the text is wrong, there are too many, or no room.
        """
        return self._write(name, text, replaces=True)

    def remove(self, name: str) -> None:
        """Deletes a file.

        Raises:
            ConfigError: there is none of this name, or it cannot be deleted.
        """
        path = self._path(name)
        remove_saved(path)
        remove_saved(right_path(path))

    def has(self, name: str) -> bool:
        """Whether there is a file of this name, whatever is in it."""
        return f"{name}.yaml" in saved_names(self.folder)

    def _write(self, name: str, text: str, replaces: bool, right: Sequence[Array] = ()) -> SavedExercise:
        check_exercise_name(name)
        with changing(self.folder):
            if not replaces and self.has(name):
                raise ExerciseTakenError(f"exercise {name!r} is there already; replace it, or take another name")
            saved = self._written(name, text)
            if right:
                write_right(saved.path, right)
            else:
                remove_saved(right_path(saved.path))
            return saved

    def _written(self, name: str, text: str) -> SavedExercise:
        path = self.folder / f"{name}.yaml"
        exercise = parse_exercise(name, text, path.name)
        write_saved(path, text, "exercise")
        return SavedExercise(name, path, exercise)

    def _path(self, name: str) -> Path:
        if not self.has(name):
            known = ", ".join(one[:-5] for one in saved_names(self.folder)) or "none yet"
            raise ConfigError(
                f"exercise {name[:60]!r}: there is no such own exercise in {self.folder}; there are: {known}. "
                "Make one with `cornerman teach`"
            )
        return self.folder / f"{name}.yaml"

    def _load(self, path: Path) -> SavedExercise:
        stamp = _stamp(path)
        known = self._read.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        try:
            text = read_text(path, MAX_BYTES)
        except ConfigError as error:
            return SavedExercise(path.stem, path, None, str(error))  # it may be readable the next time
        try:
            found = SavedExercise(path.stem, path, parse_exercise(path.stem, text, str(path)))
        except ConfigError as error:
            found = SavedExercise(path.stem, path, None, str(error))
        self._read[path] = (stamp, found)
        return found


def check_exercise_name(name: str) -> str:
    """The name, if an own exercise can be called so.

    Raises:
        ConfigError: it cannot.
    """
    if name in exercise_names():
        raise ConfigError(f"name {name!r} is a bundled exercise's; give another, as {'my_' + name!r}")
    return check_name(name)


def _stamp(path: Path) -> Stamp:
    try:
        return stamp_of(path)
    except OSError:
        return ()
