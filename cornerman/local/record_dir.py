"""The folder of recordings, checked before anything starts."""

from __future__ import annotations

from pathlib import Path

from cornerman.local.output_files import writable_folder
from cornerman_shared.settings.tree import RecordSettings


def record_dir(given: str | None) -> str | None:
    """The folder of `--record` as an absolute path, made if it is not there; None = the option is not given.

    Raises:
        ConfigError: it cannot be made or written to.
    """
    if given is None:
        return None
    return str(writable_folder("--record", Path(given).expanduser().absolute()))


def check_record(settings: RecordSettings) -> None:
    """Checks the folder of `record.dir` in the same way; it may be set without `--record`.

    Raises:
        ConfigError: it cannot be made or written to.
    """
    if settings.dir:
        writable_folder("record.dir", Path(settings.dir).expanduser())
