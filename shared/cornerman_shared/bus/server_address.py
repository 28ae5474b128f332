"""Address and password of this user's embedded servers, running or not. Starts nothing."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from cornerman_shared.process.run_dir import runtime_dir, socket_path
from cornerman_shared.redact import remember_secret

if TYPE_CHECKING:
    from cornerman_shared.settings.tree import Settings

SOCKET: Final = "valkey.sock"
BLOBS_SOCKET: Final = "valkey-blobs.sock"
PASSWORD: Final = "valkey.password"


def server_socket(settings: Settings) -> Path:
    """Socket path of the embedded server of these settings, running or not."""
    return socket_path(runtime_dir(settings.runtime.dir), SOCKET)


def blobs_socket(settings: Settings) -> Path:
    """Socket path of the embedded server for blobs, which runs beside a server that keeps its data on disk."""
    return socket_path(runtime_dir(settings.runtime.dir), BLOBS_SOCKET)


def socket_url(path: Path) -> str:
    """URL of a server on a unix socket."""
    return f"unix://{quote(str(path))}"


def server_password(settings: Settings) -> str:
    """The password of the embedded servers: `redis.password`, or one that is generated once for a runtime folder.

    It lies in a file that only its user reads.
    """
    if settings.redis.password:
        return settings.redis.password
    path = runtime_dir(settings.runtime.dir) / PASSWORD
    draft = path.with_suffix(f".{os.getpid()}-{secrets.token_hex(4)}.new")
    if not path.exists():
        draft.touch(mode=0o600, exist_ok=False)
        draft.write_text(secrets.token_hex(32), encoding="ascii")
        try:
            os.link(draft, path)  # whole or not at all; of two first processes one wins
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    password = path.read_text(encoding="ascii").strip()
    remember_secret(password)
    return password


def with_server(settings: Settings) -> Settings:
    """The settings with the server's address set; an empty `redis.url` becomes the embedded server's."""
    own = socket_url(server_socket(settings))
    if settings.redis.url not in ("", own):
        return settings
    blobs = blobs_socket(settings)
    found = {
        "url": own,
        "password": server_password(settings),
        "blobs_url": settings.redis.blobs_url or (socket_url(blobs) if blobs.exists() else ""),
    }
    return settings.model_copy(update={"redis": settings.redis.model_copy(update=found)})
