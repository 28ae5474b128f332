"""The folder of this user's sockets, locks and health files."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Final

from cornerman_shared.errors import ConfigError

# sizeof(sockaddr_un.sun_path) less its terminating zero.
SOCKET_PATH_MAX_BYTES: Final = 107 if sys.platform == "linux" else 103

REMEDY: Final = "set CORNERMAN_RUNTIME__DIR to a folder that you own"


def runtime_dir(given: str = "") -> Path:
    """Makes the folder for this user's run-time files, with mode 0700.

    The first usable of `given`, `$XDG_RUNTIME_DIR/cornerman`, `~/.cache/cornerman/run`, and a folder in the temporary
    directory; a `given` folder is the only candidate.

    Raises:
        ConfigError: the folder cannot be made or belongs to another user.
    """
    if given:
        return _private(Path(given).expanduser().absolute())
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    if base and Path(base).is_dir() and os.access(base, os.W_OK):
        return _private(Path(base) / "cornerman")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    try:
        return _private(cache / "cornerman" / "run")
    except ConfigError:
        # The home folder of a container is often missing or read-only.
        return _private(_temporary())


def socket_path(folder: Path, name: str) -> Path:
    """Path of a unix socket of `folder`, short enough for the system.

    If the path is too long for `sun_path`, the socket lies in the temporary directory under a hash of the folder, so
    that every command finds the same one.
    """
    path = folder / name
    if len(os.fsencode(path)) <= SOCKET_PATH_MAX_BYTES:
        return path
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return _private(_temporary()) / f"{digest}-{name}"


def _temporary() -> Path:
    # Not $TMPDIR: the path must be short, and the same for all commands of the user.
    base = Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())
    return base / f"cornerman-{os.getuid()}"


def _private(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        stat = folder.stat()
    except OSError as error:
        raise ConfigError(f"runtime.dir = {str(folder)!r} cannot be made ({error.strerror}); {REMEDY}") from None
    if stat.st_uid != os.getuid():
        raise ConfigError(f"runtime.dir = {str(folder)!r} belongs to user {stat.st_uid}, not to you; {REMEDY}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"runtime.dir = {str(folder)!r} is read-only; {REMEDY}")
    if stat.st_mode & 0o077:
        folder.chmod(0o700)
    return folder
