"""One source's strategy at work: made when the settings ask for another one, fed, and its failures told once."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from cornerman_decider.core import (
    ChunkTensors,
    Decider,
    Decision,
    Strategy,
    StrategyError,
    is_speaking,
    only_watch,
    pass_over,
)
from cornerman_decider.state import DeciderState
from cornerman_decider.strategies.factory import Strategies, strategy_key
from cornerman_shared.bus.commit import retry_forever
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import Features
from cornerman_shared.errors import BlobExpiredError
from cornerman_shared.process.logs import get_logger
from cornerman_shared.process.metrics import Metrics
from cornerman_shared.settings.source import SourceSpec

log = get_logger("judge")


class StrategyRunner:
    """Decides about chunks that arrive in order. A strategy that fails means silence and an error, never another
    strategy."""

    def __init__(self, bus: Bus, strategies: Strategies, metrics: Metrics) -> None:
        self._bus = bus
        self._strategies = strategies
        self._metrics = metrics
        self._made: tuple[tuple[object, ...], Strategy | StrategyError] | None = None

    async def decide(self, spec: SourceSpec, features: Features, state: DeciderState) -> tuple[Decision, str]:
        """The decision about a chunk, and what people must be told of (empty = nothing, or they know)."""
        speak, prompt = spec.speak, spec.say.prompt
        if features.status != "ok":
            reason = "buried" if features.status == "buried" else "blob_expired"
            return pass_over(features.seq, state, reason), ""
        try:
            strategy = await self._strategy_for(spec)
            tokens = await self._tokens(features, strategy.wants_images) if strategy.wants_tokens else None

            def decide() -> Decision:
                return Decider(speak, strategy).decide(
                    features, state, tokens=tokens, request_open=is_speaking(state), prompt=prompt
                )

            return (await asyncio.to_thread(decide) if strategy.wants_tokens else decide()), ""
        except BlobExpiredError:
            return only_watch(features, state, speak, "blob_expired"), ""
        except StrategyError as error:
            self._metrics.errors_total.labels("strategy").inc()
            decision = only_watch(features, state, speak, "strategy_failed")
            if str(error) == state.told:
                return decision, ""
            log.error("strategy_failed", source_id=spec.source_id, error=str(error))
            return replace(decision, state=replace(decision.state, told=str(error))), str(error)

    async def _tokens(self, features: Features, images: bool) -> ChunkTensors | None:
        """A chunk's tokens; None where the encoder made none.

        Raises:
            BlobExpiredError: they are gone.
        """
        video, context = features.video, features.context if images else None
        if video is None:
            return None
        return ChunkTensors(
            await retry_forever(lambda: self._bus.get_blob(video)),
            None if context is None else await retry_forever(lambda: self._bus.get_blob(context)),
        )

    async def _strategy_for(self, spec: SourceSpec) -> Strategy:
        """The strategy that the settings ask for; one that failed to load fails again until they change."""
        key = strategy_key(spec.speak, spec.say.prompt)
        if self._made is None or self._made[0] != key:
            made: Strategy | StrategyError
            try:
                made = await asyncio.to_thread(self._strategies.make, spec.speak, spec.say.prompt)
            except StrategyError as error:
                made = error
            self._made = (key, made)
        if isinstance(self._made[1], StrategyError):
            raise self._made[1]
        return self._made[1]
