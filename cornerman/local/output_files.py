"""The files and folders that a command writes: tried before its work, and written whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from tempfile import TemporaryFile

from cornerman_shared.errors import ConfigError, FatalError


def check_target(target: Path, option: str, source: Path | None = None) -> None:
    """Refuses a path that no file can be written to, before the work for it begins.

    Args:
        option: its name in messages.
        source: the video that is read; None = not a file.

    Raises:
        ConfigError: it is a folder or the source, or its folder is not there or must not be written to.
    """
    try:
        _check(target, option, source)
    except OSError as error:  # such as a name that is too long
        raise ConfigError(
            f"{option} {str(target)[:200]!r} cannot be written ({error.strerror}); give another"
        ) from None


def writable_folder(option: str, folder: Path) -> Path:
    """Makes the folder and tries to write there, so that a session does not end without its files.

    Raises:
        ConfigError: it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass  # a read-only disk seems writable until it is written to
    except OSError as error:
        raise ConfigError(
            f"{option} {str(folder)!r}: cannot be written ({error.strerror}); give another folder"
        ) from None
    return folder


def _check(target: Path, option: str, source: Path | None) -> None:
    if source is not None and target.exists() and target.samefile(source):
        raise ConfigError(f"{option} {str(target)!r} is the video itself; give another name")
    if target.is_dir():
        raise ConfigError(f"{option} {str(target)!r} is a folder; give a file in it")
    if not target.absolute().parent.is_dir():
        raise ConfigError(f"{option} {str(target)!r}: no such folder: {str(target.parent)!r}; make it first")
    if not os.access(target if _is_special(target) else target.absolute().parent, os.W_OK):
        raise ConfigError(f"{option} {str(target)!r}: this user may not write there; give another folder")
    if not _is_special(target):
        with TemporaryFile(dir=target.absolute().parent):
            pass  # a read-only disk, or a file system that takes no files, seems writable until it is written to


def _is_special(target: Path) -> bool:
    """Whether it is a pipe or a terminal, which cannot be replaced."""
    return target.exists() and not target.is_file()


def write_whole(target: Path, text: str) -> None:
    """Writes `text` as UTF-8, under another name first.

    Raises:
        FatalError: it cannot be written; nothing is left of it.
    """
    # Without the target's name, which may be as long as a name can be.
    part = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        if _is_special(target):
            target.write_text(text, encoding="utf-8")
            return
        part.write_text(text, encoding="utf-8")
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise FatalError(f"{target} could not be written ({error.strerror}); check the disk and the rights") from error
