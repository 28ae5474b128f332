"""Open requests of one source: which have ended, which are overdue, and those that a new instruction cancels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerman_decider.state import drop_ended_requests, is_overdue
from cornerman_shared.bus.commit import retry_forever
from cornerman_shared.bus.streams import read_numbers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cornerman_decider.hops import DeciderHops
    from cornerman_decider.state import DeciderState
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.hop import Hop, HopResult
    from cornerman_shared.bus.messages import Action

BY_INSTRUCTION = "a new instruction took its place"


class RequestSupervisor:
    """Follows the open requests of one source on the server.

    Args:
        bus: an open bus.
        hops: of the source's shard.
        source_id: the source.
        send: runs a hop under the shard's lease.
        mend: deletes damaged data of the source.
    """

    def __init__(
        self,
        bus: Bus,
        hops: DeciderHops,
        source_id: str,
        send: Callable[[Hop], Awaitable[HopResult]],
        mend: Callable[[], Awaitable[list[str]]],
    ) -> None:
        self._bus = bus
        self._hops = hops
        self._source_id = source_id
        self._send = send
        self._mend = mend
        self._attempts: dict[str, int] = {}  # of the open requests, as of the last `refresh`; 0 = not taken yet

    async def refresh(self, state: DeciderState) -> DeciderState:
        """Reads which open requests have ended, and frees the blobs that only they read."""
        if not state.open:
            return state
        ids = [request.request_id for request in state.open]
        key = self._bus.keys(self._source_id).open_requests
        while None in (found := read_numbers(ids, await retry_forever(lambda: self._hmget(key, ids)))).values():
            await retry_forever(self._mend)
        self._attempts = {i: attempt or 0 for i, attempt in found.items()}
        after, free = drop_ended_requests(state, self._attempts)
        ended = [one for one in state.open if one.kind == "question" and one.request_id not in self._attempts]
        if ended:
            await self._send(self._hops.forget_questions(self._source_id, ended))
        if free:
            await retry_forever(lambda: self._bus.free_blobs(free))
        return after

    async def expire_overdue(self, state: DeciderState) -> DeciderState:
        """Ends requests past their deadline that no generator took, or that their generator did not end."""
        state = await self.refresh(state)
        now_s, settings = self._bus.clock.now_s(), self._bus.settings
        grace_s = settings.generator.timeout_s + settings.bus.idle_ms / 1000
        for request in state.open:
            attempt = self._attempts[request.request_id]
            if is_overdue(request, attempt, grace_s, now_s):
                cause = "no generator took it in time" if attempt == 0 else "its generator did not finish it"
                await self._send(self._hops.end(state, self._source_id, request, cause, attempt, now_s))
        return state

    async def cancel_feedback(self, state: DeciderState) -> tuple[DeciderState, Action | None]:
        """Cancels what the source itself asked for; questions of people go on.

        Returns:
            The state without it, and its verdict; None = it had ended by itself, or there was none.
        """
        interrupted: Action | None = None
        state = await self.refresh(state)
        for request in state.open:
            if request.kind != "feedback":
                continue
            attempt, now_s = self._attempts[request.request_id], self._bus.clock.now_s()
            hop = self._hops.cancelled(state, self._source_id, request, BY_INSTRUCTION, attempt, now_s)
            if (await self._send(hop)).is_ours:
                interrupted = request.action
        return await self.refresh(state), interrupted

    async def _hmget(self, key: str, fields: list[str]) -> list[bytes | None]:
        async with self._bus.key_types.reading(key):
            rows: list[bytes | None] = await self._bus.redis.hmget(key, fields)
        return rows
