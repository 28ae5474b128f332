"""Profiles and presets at hand: the bundled ones, and those in the user's folder, read again when a file changes.

The folder holds `profiles/NAME.yaml` and `presets/NAME.yaml`. Sharing one is copying its file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cornerman_common.saved_folder import (
    MAX_FILES,
    Stamp,
    changing,
    remove_saved,
    saved_names,
    stamp_of,
    user_folder,
    write_saved,
)
from cornerman_common.saved_settings import (
    MAX_BYTES,
    RESERVED,
    SavedKind,
    SavedSettings,
    check_name,
    parse_saved,
)
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.files import read_text

_BUNDLED: Final = Path(__file__).with_name("saved")
_ORDER: Final = ("coach", "default", "sports", "security", "nature", "descriptive", "sentry", "sniper", "owl", "beast")


class BundledError(ConfigError):
    """A profile or preset that came with the package was to be changed."""


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A profile or preset by name.

    Attributes:
        kind: which of the two.
        name: of the file, without `.yaml`.
        bundled: it came with the package, and cannot be changed.
        path: the file.
        settings: its content; None = it cannot be used.
        problem: why not, and what to do.
    """

    kind: SavedKind
    name: str
    bundled: bool
    path: Path
    settings: SavedSettings | None
    problem: str = ""


class ProfileLibrary:
    """Reads and writes profiles and presets. Its methods read the disk, so a service calls them in a thread.

    Args:
        folder: the user's; need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[Path, tuple[Stamp, SavedFile]] = {}

    @classmethod
    def of(cls, setting: str) -> ProfileLibrary:
        """The library for `gateway.profiles_dir`; empty = the user's configuration folder."""
        return cls(user_folder(setting))

    def all(self, kind: SavedKind) -> list[SavedFile]:
        """Every one, the bundled ones first; those that cannot be used say why."""
        bundled = sorted(self._files(kind, _BUNDLED), key=lambda one: _ORDER.index(one.name))
        taken = {one.name for one in bundled}
        return bundled + [self._own(one, taken) for one in self._files(kind, self.folder)]

    def get(self, kind: SavedKind, name: str) -> SavedFile:
        """One that can be used.

        Raises:
            ConfigError: there is none of this name, or its file is wrong.
        """
        found = self._find(kind, name)
        if found.settings is None:
            raise ConfigError(found.problem)
        return found

    def changes(self, profile: str, preset: str) -> dict[str, Any]:
        """The changes to a source that a profile and a preset ask for; empty = none. A preset wins.

        Raises:
            ConfigError: as `get`.
        """
        merged: dict[str, Any] = {}
        names: tuple[tuple[SavedKind, str], ...] = (("profile", profile), ("preset", preset))
        for kind, name in names:
            settings = self.get(kind, name).settings if name else None
            for section, value in (settings.changes() if settings else {}).items():
                merged[section] = {**merged.get(section, {}), **value} if isinstance(value, dict) else value
        return merged

    def text(self, kind: SavedKind, name: str) -> str:
        """The text of a file, also of one that is wrong.

        Raises:
            ConfigError: there is none of this name, or it cannot be read.
        """
        return read_text(self._find(kind, name).path, MAX_BYTES)

    def save(self, kind: SavedKind, name: str, text: str) -> SavedFile:
        """Writes a file of the user's, whole or not at all.

        Raises:
            ConfigError: the name or the text is wrong, the name is a bundled one, there are too many, or no room.
        """
        self._refuse_bundled(kind, check_name(name))
        path = self._path(kind, name)
        settings = parse_saved(kind, text, path.name)
        with changing(path.parent):
            write_saved(path, text, kind)
        return SavedFile(kind, name, False, path, settings)

    def remove(self, kind: SavedKind, name: str) -> None:
        """Deletes a file of the user's.

        Raises:
            ConfigError: there is none of this name, it is bundled, or it cannot be deleted.
        """
        found = self._find(kind, name)
        self._refuse_bundled(kind, name)
        remove_saved(found.path)

    def everything(self) -> list[SavedFile]:
        """Profiles and presets."""
        return [*self.all("profile"), *self.all("preset")]

    def is_bundled(self, kind: SavedKind, name: str) -> bool:
        """Whether it came with the package, so that it cannot be changed."""
        return any(one.name == name for one in self._files(kind, _BUNDLED))

    def _find(self, kind: SavedKind, name: str) -> SavedFile:
        known = self.all(kind)
        for one in known:
            if one.name == name:
                return one
        names = ", ".join(one.name for one in known)
        raise ConfigError(f"{kind} {name[:60]!r}: there is no such {kind}; there are {names}")

    def _refuse_bundled(self, kind: SavedKind, name: str) -> None:
        if self.is_bundled(kind, name):
            raise BundledError(f"{kind} {name!r} comes with the package and stays as it is; copy it to another name")

    def _own(self, one: SavedFile, taken: set[str]) -> SavedFile:
        if one.name not in taken:
            return one
        problem = f"{one.path}: a bundled {one.kind} is called so; rename the file"
        return SavedFile(one.kind, f"{one.name}-2", False, one.path, None, problem)

    def _path(self, kind: SavedKind, name: str) -> Path:
        return self.folder / f"{kind}s" / f"{name}.yaml"

    def _files(self, kind: SavedKind, root: Path) -> list[SavedFile]:
        folder = root / f"{kind}s"
        paths = [folder / name for name in saved_names(folder)[:MAX_FILES]]
        for known in list(self._read):  # in one step: other threads read, too
            if known.parent == folder and known not in paths:
                self._read.pop(known, None)
        return [self._file(kind, path, root == _BUNDLED) for path in paths]

    def _file(self, kind: SavedKind, path: Path, bundled: bool) -> SavedFile:
        try:
            stamp = stamp_of(path)
        except OSError as error:
            return SavedFile(kind, path.stem, bundled, path, None, f"{path}: cannot be read ({error.strerror})")
        known = self._read.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        try:
            text = _text(path)
        except ConfigError as error:  # it may be readable the next time
            return SavedFile(kind, path.stem, bundled, path, None, str(error))
        found = _parsed(kind, path, bundled, text)
        self._read[path] = (stamp, found)
        return found


def profile_of(prompt: str, files: list[SavedFile]) -> str:
    """Name of the profile whose prompt this is; `custom` when it is none of them."""
    found = (one for one in files if one.kind == "profile" and one.settings and one.settings.prompt == prompt)
    return next((one.name for one in found), RESERVED)


def preset_of(settings: dict[str, Any], files: list[SavedFile]) -> str:
    """Name of the preset whose every setting a source has; `custom` when it is none of them.

    Args:
        settings: of the source, sections as maps.
        files: profiles and presets.
    """
    presets = (one for one in files if one.kind == "preset" and one.settings)
    return next((one.name for one in presets if one.settings and _has(settings, one.settings.changes())), RESERVED)


def _text(path: Path) -> str:
    if not path.is_file():
        raise ConfigError(f"{path}: not a file; remove it")
    return read_text(path, MAX_BYTES)


def _parsed(kind: SavedKind, path: Path, bundled: bool, text: str) -> SavedFile:
    try:
        settings = parse_saved(kind, text, str(path))
    except ConfigError as error:
        return SavedFile(kind, path.stem, bundled, path, None, str(error))
    return SavedFile(kind, path.stem, bundled, path, settings)


def _has(settings: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return all(
        _has(settings.get(name, {}), value) if isinstance(value, dict) else settings.get(name) == value
        for name, value in wanted.items()
    )
