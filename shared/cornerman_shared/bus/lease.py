"""Exclusive ownership with an end: a key that expires, and a generation that only rises (the fencing token).

Whoever sleeps past its lease and wakes up finds its generation over: every script that it sends checks the fence on
the server.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from cornerman_shared.bus.streams import Keys
from cornerman_shared.errors import RetryableError
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus

log = get_logger("lease")


class Lease:
    """One thing that one process at a time may own, e.g. `decider` of a shard or `capture:cam1`."""

    def __init__(self, bus: Bus, keys: Keys, name: str, owner: str) -> None:
        self._bus = bus
        self.name = name
        self.owner = owner
        self.key = keys.lease(name)
        self.fence = keys.fence(name)
        self.generation = 0
        self.lost = asyncio.Event()
        self._ttl_ms = bus.settings.bus.lease_ms

    @property
    def held(self) -> bool:
        """As far as we know. Only the server's fence is certain."""
        return self.generation > 0 and not self.lost.is_set()

    async def acquire(self) -> bool:
        """Takes the lease if it is free. The generation rises.

        Raises:
            RetryableError: no answer.
        """
        generation = int(await self._bus.scripts.run("lease", [self.key, self.fence], [self.owner, self._ttl_ms, 0]))
        if generation > 0:
            self.generation = generation
            self.lost = asyncio.Event()
        return generation > 0

    async def renew(self) -> bool:
        """Keeps the lease for another `bus.lease_ms`. False, and `lost` is set, when it is not ours any more."""
        args: list[str | bytes | int | float] = [self.owner, self._ttl_ms, self.generation]
        kept = self.generation > 0 and int(await self._bus.scripts.run("lease", [self.key, self.fence], args)) > 0
        if not kept:
            self.lost.set()
        return kept

    async def release(self) -> None:
        """Gives the lease back at once, so that another need not wait for its end."""
        if self.generation > 0:
            await self._bus.scripts.run("release", [self.key, self.fence], [self.owner, self.generation])
        self.generation = 0
        self.lost.set()

    @asynccontextmanager
    async def auto_renew(self) -> AsyncIterator[Lease]:
        """Renews in the background while the body runs; `lost` is set when that fails for the length of the lease."""
        task = asyncio.create_task(self._renew_loop(), name=f"lease:{self.name}")
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            with suppress(RetryableError):
                await self.release()

    async def _renew_loop(self) -> None:
        clock = self._bus.clock
        renewed_at_s = clock.monotonic_s()
        while True:
            await asyncio.sleep(self._ttl_ms / 3000)
            try:
                if not await self.renew():
                    log.warning("lease_lost", what=self.name, generation=self.generation)
                    return
                renewed_at_s = clock.monotonic_s()
            except RetryableError:
                if clock.monotonic_s() - renewed_at_s > self._ttl_ms / 1000:
                    log.warning("lease_not_renewed", what=self.name, generation=self.generation)
                    self.lost.set()
                    return
