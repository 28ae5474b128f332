"""The decider fetches a chunk's tokens from the bus for the strategy that reads them, and no more than it reads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from cornerman_decider.core import Strategy
from cornerman_decider.state import DeciderState
from cornerman_decider.strategies.factory import Strategies
from cornerman_decider.strategies.llm import LlmStrategy
from cornerman_decider.strategy_runner import StrategyRunner
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import Features
from cornerman_shared.process.metrics import Metrics
from cornerman_shared.settings.source import SourceSpec, SpeakSettings
from tests.integration.decider_house import SOURCE, features

SPEC = SourceSpec(source_id=SOURCE, url="test://", speak=SpeakSettings(strategy="llm"))
IMAGES = np.arange(8 * 3 * 4, dtype=np.float16).reshape(8, 3, 4)


class Reader:
    """An action model that always wants silence, and keeps what it was shown."""

    def __init__(self, frames: int) -> None:
        self.frames = frames
        self.saw: list[NDArray[np.floating]] = []

    def open(self, prompt: str) -> Reader:
        return self

    def see(self, tokens: NDArray[np.floating]) -> NDArray[np.float32]:
        self.saw.append(tokens)
        return np.array([3, 0, 0], np.float32)

    def did(self, action: int) -> None:
        assert action == 0


class OneStrategy(Strategies):
    """Gives the strategy it was made with."""

    def __init__(self, bus: Bus, strategy: Strategy) -> None:
        super().__init__(bus.settings)
        self._strategy = strategy

    def make(self, speak: SpeakSettings, prompt: str) -> Strategy:
        return self._strategy


async def seen(bus: Bus, seq: int = 0) -> Features:
    """Features whose image tokens are on the bus as well."""
    key = bus.keys(SOURCE).blob(SOURCE, "r1", seq, "context")
    return replace(await features(bus, seq), context=await bus.put_blob(key, IMAGES, 60))


@pytest.mark.parametrize("frames", [0, 2])
async def test_the_newest_images_come_along_only_where_they_are_read(bus: Bus, frames: int) -> None:
    model, chunk = Reader(frames), await seen(bus)
    if not frames:
        assert chunk.context is not None
        await bus.free_blobs([chunk.context])  # nobody may miss it
    judge = StrategyRunner(bus, OneStrategy(bus, LlmStrategy(model, "p")), Metrics())
    decision, told = await judge.decide(SPEC, chunk, DeciderState(run="r1"))
    assert (decision.action, decision.reason, told) == ("next", "llm", "")
    (tokens,) = model.saw
    assert tokens.shape == (3 * frames + 2, 4)
    np.testing.assert_array_equal(tokens[: 3 * frames], IMAGES[8 - frames :].reshape(-1, 4))


async def test_images_that_expired_mean_silence_and_not_a_decision_on_half_of_a_chunk(bus: Bus) -> None:
    model, chunk = Reader(2), await seen(bus)
    assert chunk.context is not None
    await bus.free_blobs([chunk.context])
    judge = StrategyRunner(bus, OneStrategy(bus, LlmStrategy(model, "p")), Metrics())
    decision, _ = await judge.decide(SPEC, chunk, DeciderState(run="r1"))
    assert (decision.action, decision.reason, model.saw) == ("next", "blob_expired", [])


async def test_an_encoder_without_image_tokens_is_an_error_that_people_are_told(bus: Bus) -> None:
    judge = StrategyRunner(bus, OneStrategy(bus, LlmStrategy(Reader(2), "p")), Metrics())
    decision, told = await judge.decide(SPEC, await features(bus, 0), DeciderState(run="r1"))
    assert decision.reason == "strategy_failed"
    assert "encoder.model" in told
