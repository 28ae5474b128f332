"""Runs one source's strategy: makes it for the present settings, feeds it, and reports each failure once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cornerman_decider.core import Decider, Decision, abstain, skip_chunk
from cornerman_decider.instruction import (
    features_again,
    freeing,
    instructed,
    instruction_of,
    may_speak_again,
    resumed,
    silence,
)
from cornerman_decider.state import chunk_ref, has_open_feedback
from cornerman_decider.strategy import StrategyError
from cornerman_shared.bus.chunk_input import ChunkInput
from cornerman_shared.bus.commit import retry_forever
from cornerman_shared.errors import BlobExpiredError, ConfigError, FatalError, FencedError, is_contained
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from cornerman_decider.state import DeciderState
    from cornerman_decider.strategies.factory import Strategies
    from cornerman_decider.strategy import Strategy
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.messages import Action, Features
    from cornerman_shared.process.metrics import Metrics
    from cornerman_shared.settings.source import SourceSpec

PAUSE_S: Final = 30.0
"""How long a strategy that raised an unexpected error is not called for its source."""

log = get_logger("strategy")


class StrategyRunner:
    """Decides about chunks that arrive in order.

    A strategy that fails means silence and an error event; no other strategy takes its place. One that raises an
    unexpected error is paused for `PAUSE_S`, so that it harms no other source; other settings end the pause.
    """

    def __init__(self, bus: Bus, strategies: Strategies, metrics: Metrics) -> None:
        self._bus = bus
        self._strategies = strategies
        self._metrics = metrics
        self._paused_until_s = 0.0
        self._paused: tuple[object, ...] = ()  # the settings of the strategy that is paused
        self._made: tuple[tuple[object, ...], Strategy | StrategyError] | None = None  # key, and the strategy for it

    async def decide(self, spec: SourceSpec, features: Features, state: DeciderState) -> tuple[Decision, str]:
        """The decision about a chunk, and an error to publish (empty = none, or it is published already).

        Raises:
            FatalError: a strategy computes for longer than `decider.stall_s`; its thread cannot be ended.
        """
        speak, instruction = spec.speak, instruction_of(spec.say)
        if features.status != "ok":
            reason = "buried" if features.status == "buried" else "blob_expired"
            return skip_chunk(features.seq, state, reason), ""
        key = self._strategies.key(speak, spec.say.prompt)
        if key == self._paused and self._bus.clock.monotonic_s() < self._paused_until_s:
            return abstain(features, state, speak, "strategy_failed"), ""
        try:
            strategy = await self._strategy_for(spec)
            chunk = await self._fetch_tokens(features, strategy.wants_images) if strategy.wants_tokens else None

            def decide() -> Decision:
                return Decider(speak, strategy).decide(
                    features, state, chunk=chunk, request_open=has_open_feedback(state), prompt=instruction
                )

            # Strategies on tokens run a language model: in a thread, so that the heartbeat goes on.
            return (await self._in_thread(decide) if strategy.wants_tokens else decide()), ""
        except BlobExpiredError:
            return abstain(features, state, speak, "blob_expired"), ""
        except (StrategyError, ConfigError) as error:  # a wrong setting of one source must not end the process
            self._metrics.errors_total.labels("strategy").inc()
            decision = abstain(features, state, speak, "strategy_failed")
            if str(error) == state.reported_error:
                return decision, ""
            log.error("strategy_failed", source_id=spec.source_id, error=str(error))
            return replace(decision, state=replace(decision.state, reported_error=str(error))), str(error)
        except (FatalError, FencedError):
            raise
        except Exception as error:
            self._paused, self._paused_until_s = key, self._bus.clock.monotonic_s() + PAUSE_S
            self._metrics.errors_total.labels("strategy").inc()
            message = f"strategy {speak.strategy} is paused for {PAUSE_S:g} s: {type(error).__name__}: {error}"
            log.exception("strategy_crashed", source_id=spec.source_id, message=message)
            # A fresh start: the error may come from what the strategy remembers.
            self._made = None
            decision = abstain(features, replace(state, memory={}), speak, "strategy_failed")
            return decision, message

    async def decide_again(self, spec: SourceSpec, state: DeciderState, interrupted: Action | None) -> Decision:
        """The decision about the newest chunk once more, under a new instruction.

        Args:
            spec: with the new instruction.
            state: under the old one; has a newest chunk and no open request of the source's own.
            interrupted: the verdict whose answer the instruction cut short; its place is taken in any case.
        """
        try:
            follows = (await self._strategy_for(spec)).follows_prompt
        except Exception as error:  # told when the next chunk is decided
            if not isinstance(error, ConfigError) and not is_contained(error):
                raise
            follows = True
        after = instructed(state, spec.say, forget=follows)
        decision = silence(after)
        if state.latest is not None and may_speak_again(state, spec, self._bus.clock.now_s()):
            if follows:
                decision, cause = await self.decide(spec, features_again(spec, after, state.latest), after)
                if cause:  # the next chunk meets and tells it
                    decision, self._paused_until_s = silence(after), 0.0
            if interrupted and not decision.speak:
                decision = resumed(decision.state, state.latest, interrupted)
        return freeing(decision, state)

    async def _in_thread(self, decide: Callable[[], Decision]) -> Decision:
        limit_s = self._bus.settings.decider.stall_s
        try:
            async with asyncio.timeout(limit_s):
                return await asyncio.to_thread(decide)
        except TimeoutError:
            raise FatalError(
                f"a strategy computes for longer than decider.stall_s = {limit_s:g} s; the process ends so that "
                "another decider takes its sources. Raise the limit if the device is only slow."
            ) from None

    async def _fetch_tokens(self, features: Features, images: bool) -> ChunkInput | None:
        """A chunk's tokens; None where the encoder made none.

        Raises:
            BlobExpiredError: they are gone.
        """
        video, context = features.video, features.context if images else None
        if video is None:
            return None
        return ChunkInput(
            chunk_ref(features),
            video=await retry_forever(lambda: self._bus.get_blob(video)),
            context=None if context is None else await retry_forever(lambda: self._bus.get_blob(context)),
        )

    async def _strategy_for(self, spec: SourceSpec) -> Strategy:
        """The strategy for the present settings; one that failed to load fails again until they change."""
        key = self._strategies.key(spec.speak, spec.say.prompt)
        if self._made is None or self._made[0] != key:
            before = self._made[1] if self._made else None
            before = None if isinstance(before, StrategyError) else before
            made: Strategy | StrategyError
            try:
                made = await asyncio.to_thread(self._strategies.make, spec.speak, spec.say.prompt, before)
            except StrategyError as error:
                made = error
            self._made = (key, made)
        if isinstance(self._made[1], StrategyError):
            raise self._made[1]
        return self._made[1]
