"""Small YAML files in one of the user's folders: their names, and writing one whole or not at all."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from cornerman_shared.errors import ConfigError

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
"""Of a saved file, without its ending."""

Stamp = tuple[int, ...]

MAX_FILES: Final = 100
"""Files of one kind in the user's folder; further ones are not read."""


def user_folder(setting: str) -> Path:
    """The folder in `gateway.profiles_dir`; empty = `cornerman` in the user's configuration folder."""
    if setting:
        return Path(setting).expanduser()
    base = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".config") / "cornerman"


def saved_names(folder: Path) -> list[str]:
    """Names of the files in a folder, sorted; none if it cannot be read."""
    try:
        entries = [entry.name for entry in folder.iterdir()]
    except OSError:
        return []
    return sorted(name for name in entries if name.endswith(".yaml") and NAME.fullmatch(name[:-5]))


def stamp_of(path: Path) -> Stamp:
    """Changes whenever the file does, or who may read it.

    Raises:
        OSError: it is not there, or out of reach.
    """
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino


@contextmanager
def changing(folder: Path) -> Iterator[None]:
    """Keeps other threads and processes that change the folder's files waiting.

    Raises:
        ConfigError: the folder cannot be written to.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY)  # the folder itself
    except OSError as error:
        raise _unwritable(folder, error) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def check_saved(path: Path, kind: str) -> None:
    """Refuses a file that `write_saved` could not write, before the work for it begins.

    Raises:
        ConfigError: there are too many of its kind, or this user may not write there.
    """
    _check_number(path, kind)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with TemporaryFile(dir=path.parent):
            pass  # a read-only disk seems writable until it is written to
    except OSError as error:
        raise _unwritable(path.parent, error) from None


def write_saved(path: Path, text: str, kind: str) -> None:
    """Writes a file of the user's, whole or not at all; call it within `changing`.

    Raises:
        ConfigError: there are too many of its kind, or no room.
    """
    _check_number(path, kind)
    write_bytes(path, (text if text.endswith("\n") else f"{text}\n").encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a file of the user's, whole or not at all; call it within `changing`.

    Raises:
        ConfigError: the disk is full or read-only.
    """
    draft = path.parent / f".{path.stem}.{secrets.token_hex(6)}.part"
    try:
        try:
            with draft.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from None


def remove_saved(path: Path) -> None:
    """Deletes a file.

    Raises:
        ConfigError: it cannot be deleted.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"{path} cannot be removed ({error.strerror}); remove it by hand") from None


def _check_number(path: Path, kind: str) -> None:
    if not path.exists() and len(saved_names(path.parent)) >= MAX_FILES:
        raise ConfigError(f"{path.parent} holds {MAX_FILES} {kind}s already; remove one first")


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"{path} cannot be written ({error.strerror}); let this user write there, or set gateway.profiles_dir"
    )
