"""The server for commands that start none: a missing one is told at once, a slow one gets a moment."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from cornerman_shared.errors import RetryableError

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus

SERVER_S: Final = 3.0
"""Longest time that a command which starts nothing waits for the server."""


async def require_server(bus: Bus) -> None:
    """Waits for the server, unless it is this user's embedded one and does not run.

    Raises:
        RetryableError: no server, or none that answers.
        ConfigError: see `Bus.ready`.
    """
    address = urlsplit(bus.url)
    if address.scheme == "unix" and not _listens(Path(unquote(address.path))):
        raise RetryableError(
            "no server runs here; start one with `cornerman up`, or give its address with --redis or "
            "CORNERMAN_REDIS_URL"
        )
    await bus.ready(SERVER_S)


def _listens(path: Path) -> bool:
    """Whether a process accepts connections at a socket, answering or not."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True
