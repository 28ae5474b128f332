"""Runs the Lua files of `bus/lua`. The head of each file documents its keys, arguments and result."""

from __future__ import annotations

from functools import cache
from hashlib import sha1
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis.exceptions

from cornerman_shared.bus.redis_client import Client, is_wrong_type, redis_errors

if TYPE_CHECKING:
    from cornerman_shared.bus.key_types import KeyTypes

FOLDER = Path(__file__).parent / "lua"

Arg = str | bytes | int | float


@cache
def source(name: str) -> str:
    """Text of `bus/lua/<name>.lua`."""
    return (FOLDER / f"{name}.lua").read_text(encoding="utf-8")


class Scripts:
    """Lua scripts of one client.

    Args:
        client: of the server that holds streams and state.
        key_types: of the same server.
        blobs: of a second server that holds the blobs; None = the same server.
    """

    def __init__(self, client: Client, key_types: KeyTypes, blobs: Client | None = None) -> None:
        self._client = client
        self._key_types = key_types
        self.blobs = blobs

    async def run(self, name: str, keys: list[str], args: list[Arg]) -> Any:
        """Runs a script atomically on the server.

        Raises:
            RetryableError: no answer; the script may or may not have run. Or a key of the shard holds another type.
            ResponseError: a key of the source holds another type.
        """
        try:
            return await self._run(name, keys, args)
        except redis.exceptions.ResponseError as error:
            cause = await self._key_types.explained(error, keys)
            if cause is not error or not is_wrong_type(error):
                raise cause from error
        # A key of the shard may be right again by now; a key of the source is not.
        return await self._run(name, keys, args)

    async def _run(self, name: str, keys: list[str], args: list[Arg]) -> Any:
        with redis_errors():
            try:
                return await self._client.evalsha(_digest(name), len(keys), *keys, *args)
            except redis.exceptions.NoScriptError:
                # The text, not SCRIPT LOAD and the digest again: the cache may be emptied in between.
                return await self._client.eval(source(name), len(keys), *keys, *args)


@cache
def _digest(name: str) -> str:
    return sha1(source(name).encode(), usedforsecurity=False).hexdigest()
