"""The Lua files of `shared/lua`, as callables bound to a client.

Each file's head says what it does, takes and returns.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from cornerman_shared.bus.redis_client import Client, redis_errors

FOLDER = Path(__file__).parent / "lua"

Arg = str | bytes | int | float


@cache
def source(name: str) -> str:
    """Text of `shared/lua/<name>.lua`."""
    return (FOLDER / f"{name}.lua").read_text(encoding="utf-8")


class Scripts:
    """Runs a named script; a server that lost its script cache gets the text again."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[str, Any] = {}

    async def run(self, name: str, keys: list[str], args: list[Arg]) -> Any:
        """Runs it atomically on the server.

        Raises:
            RetryableError: no answer; the script may or may not have run.
        """
        script = self._known.get(name)
        if script is None:
            script = self._known[name] = self._client.register_script(source(name))
        with redis_errors():
            return await script(keys=keys, args=args)
