"""Puts a new instruction in force: ends the running answer, and asks about the newest chunk. One hop each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerman_decider.instruction import is_new_instruction, request_again
from cornerman_shared.bus.hop import Hop, HopResult

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cornerman_decider.hops import DeciderHops
    from cornerman_decider.request_supervisor import RequestSupervisor
    from cornerman_decider.state import DeciderState
    from cornerman_decider.strategy_runner import StrategyRunner
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.settings.source import SourceSpec


class InstructionWorker:
    """Follows the instruction of one source.

    Args:
        bus: an open bus.
        hops: of the source's shard.
        requests: the source's open requests.
        runner: of its strategy.
        send: runs a hop under the shard's lease.
    """

    def __init__(
        self,
        bus: Bus,
        hops: DeciderHops,
        requests: RequestSupervisor,
        runner: StrategyRunner,
        send: Callable[[Hop], Awaitable[HopResult]],
    ) -> None:
        self._bus = bus
        self._hops = hops
        self._requests = requests
        self._runner = runner
        self._send = send

    async def follow(self, state: DeciderState, spec: SourceSpec) -> DeciderState | None:
        """The state under the instruction of `spec`; the same one if it is not new, None if only the server knows."""
        if not is_new_instruction(state, spec.say):
            return state
        state, interrupted = await self._requests.cancel_feedback(state)
        decision = await self._runner.decide_again(spec, state, interrupted)
        request = request_again(decision, spec, self._bus.clock.now_s())
        hop, after = self._hops.instructed(request, decision, spec)
        # Otherwise an earlier try may have been written, or another run has begun.
        return after if await self._send(hop) is HopResult.DONE else None
