"""Exclusive ownership by a key that expires, with a generation that only rises (the fencing token).

Every script of an owner compares its generation with the fence on the server, so a process that was suspended past its
lease cannot write.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from cornerman_shared.aio import background
from cornerman_shared.errors import FencedError, RetryableError
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.scripts import Arg
    from cornerman_shared.bus.streams import Keys

KEEP_FENCE_MS: Final = 3_600_000
"""A fence outlives its lease by this, so that a removed source leaves none behind."""

log = get_logger("lease")


class Lease:
    """A lease that one process at a time may hold, e.g. `decider` of a shard or `capture:cam1`.

    Attributes:
        generation: of our ownership; 0 = never held or released.
        lost: set when the lease is known to be lost or released.
    """

    def __init__(self, bus: Bus, keys: Keys, name: str, owner: str) -> None:
        self._bus = bus
        self.name = name
        self.owner = owner
        self.key = keys.lease(name)
        self.fence = keys.fence(name)
        self._keys = [self.key, self.fence, keys.generations]
        self.generation = 0
        self.lost = asyncio.Event()
        self._ttl_ms = bus.settings.bus.lease_ms

    @property
    def held(self) -> bool:
        """Whether we hold the lease, as far as known here; only the fence on the server is authoritative."""
        return self.generation > 0 and not self.lost.is_set()

    async def acquire(self) -> bool:
        """Takes the lease if it is free and raises the generation.

        Returns:
            Whether the lease is now held.

        Raises:
            RetryableError: no answer.
        """
        generation = await self._ask(0)
        # A new event: the old one stays set for tasks of the lost ownership.
        if generation > 0:
            self.generation = generation
            self.lost = asyncio.Event()
        return generation > 0

    async def renew(self) -> bool:
        """Extends the lease by `bus.lease_ms`. Returns False and sets `lost` if we no longer hold it.

        Raises:
            RetryableError: no answer.
        """
        kept = self.generation > 0 and await self._ask(self.generation) > 0
        if not kept:
            self.lost.set()
        return kept

    async def _ask(self, generation: int) -> int:
        """Takes (generation 0) or renews the lease; returns the generation held, 0 = not held."""
        args: list[Arg] = [self.owner, self._ttl_ms, generation, KEEP_FENCE_MS]
        return int(await self._bus.scripts.run("lease", self._keys, args))

    async def release(self) -> None:
        """Gives the lease back, so that another process need not wait until it expires.

        Raises:
            RetryableError: no answer.
        """
        if self.generation > 0:
            await self._bus.scripts.run("release", [self.key, self.fence], [self.owner, self.generation])
        self.generation = 0
        self.lost.set()

    def fenced_error(self) -> FencedError:
        """Error of a script that found another generation, run or incarnation of the source on the server."""
        return FencedError(
            f"generation {self.generation} of {self.name} is over: a newer owner holds the lease, or a newer run "
            "began, or the source was removed or replaced"
        )

    @asynccontextmanager
    async def auto_renew(self) -> AsyncIterator[Lease]:
        """Renews while the body runs, then releases. `lost` is set when renewing fails for the length of the lease."""
        try:
            async with background(self._renew_loop()):
                yield self
        finally:
            # The lease expires by itself if the release is lost.
            with suppress(RetryableError):
                await self.release()

    async def _renew_loop(self) -> None:
        clock = self._bus.clock
        renewed_at_s = clock.monotonic_s()
        while True:
            # Three attempts fit into one lease.
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
