"""Checks that what a tool will write can be written, before its work begins."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile


def check_folder(folder: Path) -> None:
    """Makes the folder if it is missing, and tries to write there.

    Raises:
        OSError: it cannot be made or written to; carries the folder's name.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass  # a read-only disk seems writable until it is written to
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error


def check_file(out: Path, ending: str) -> None:
    """Checks the name of a file, and its folder as `check_folder` does.

    Raises:
        ValueError: the name does not end in `ending`, or is that of a folder.
        OSError: its folder cannot be made or written to.
    """
    if out.suffix != ending:
        raise ValueError(f"--out is {str(out)!r}: the name must end in {ending}")
    if out.is_dir():
        raise ValueError(f"--out is {str(out)!r}: it is a folder; give a file in it")
    check_folder(out.parent)
