"""The folder of `--record`, checked before anything starts."""

from __future__ import annotations

import os
from pathlib import Path

from cornerman_shared.errors import ConfigError


def record_dir(given: str | None) -> str | None:
    """The folder as an absolute path, made if it is not there; None = the option is not given.

    Raises:
        ConfigError: it cannot be made or written to.
    """
    if given is None:
        return None
    path = Path(given).expanduser().absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--record {given!r}: the folder cannot be made ({error.strerror}); give another") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise ConfigError(f"--record {given!r}: this user may not write there; give another folder")
    return str(path)
