"""Runs the Lua files of `bus/lua`. The head of each file documents its keys, arguments and result."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from cornerman_shared.bus.redis_client import Client, redis_errors

FOLDER = Path(__file__).parent / "lua"

Arg = str | bytes | int | float


@cache
def source(name: str) -> str:
    """Text of `bus/lua/<name>.lua`."""
    return (FOLDER / f"{name}.lua").read_text(encoding="utf-8")


class Scripts:
    """Lua scripts of one client. A server that lost its script cache gets the text again.

    Args:
        client: of the server that holds streams and state.
        blobs: of a second server that holds the blobs; None = the same server.
    """

    def __init__(self, client: Client, blobs: Client | None = None) -> None:
        self._client = client
        self.blobs = blobs
        self._registered: dict[str, Any] = {}

    async def run(self, name: str, keys: list[str], args: list[Arg]) -> Any:
        """Runs a script atomically on the server.

        Raises:
            RetryableError: no answer; the script may or may not have run.
        """
        script = self._registered.get(name)
        if script is None:
            # redis-py sends EVALSHA and, after NOSCRIPT, the text.
            script = self._registered[name] = self._client.register_script(source(name))
        with redis_errors():
            return await script(keys=keys, args=args)
