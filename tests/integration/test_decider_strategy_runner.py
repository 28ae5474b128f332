"""Strategy runner: fetches the tokens that a strategy reads, and no more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from cornerman_common.gate import Proposal
from cornerman_decider.state import DeciderState, Memory, chunk_ref
from cornerman_decider.strategies.factory import Strategies
from cornerman_decider.strategies.llm import LlmStrategy
from cornerman_decider.strategies.rules import RulesStrategy
from cornerman_decider.strategy import Strategy
from cornerman_decider.strategy_runner import StrategyRunner
from cornerman_shared.bus.chunk_input import ChunkInput
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import Features
from cornerman_shared.process.metrics import Metrics
from cornerman_shared.settings.source import SourceSpec, SpeakSettings
from tests.integration.decider_harness import features
from tests.integration.service_harness import SOURCE

SPEC = SourceSpec(source_id=SOURCE, url="test://", speak=SpeakSettings(strategy="llm"))
IMAGES = np.arange(8 * 3 * 4, dtype=np.float16).reshape(8, 3, 4)


class SilentModel:
    """An action model that always wants silence, and records the tokens it reads."""

    def __init__(self, frames: int) -> None:
        self.frames = frames
        self.chunks: list[NDArray[np.floating]] = []

    def open(self, prompt: str) -> SilentModel:
        return self

    def append_chunk(self, tokens: NDArray[np.floating]) -> NDArray[np.float32]:
        self.chunks.append(tokens)
        return np.array([3, 0, 0], np.float32)

    def append_action(self, action: int) -> None:
        assert action == 0


class OneStrategy(Strategies):
    """Gives the strategy it was made with."""

    def __init__(self, bus: Bus, strategy: Strategy) -> None:
        super().__init__(bus.settings)
        self._strategy = strategy

    def make(self, speak: SpeakSettings, prompt: str, before: Strategy | None = None) -> Strategy:
        return self._strategy


async def with_images(bus: Bus, seq: int = 0) -> Features:
    """Features whose image tokens are on the bus as well."""
    key = bus.keys(SOURCE).blob(SOURCE, "r1", seq, "context")
    return replace(await features(bus, seq), context=await bus.put_blob(key, IMAGES, 60))


@pytest.mark.parametrize("frames", [0, 2])
async def test_images_are_fetched_only_if_read(bus: Bus, frames: int) -> None:
    model, chunk = SilentModel(frames), await with_images(bus)
    if not frames:
        assert chunk.context is not None
        await bus.free_blobs([chunk.context])  # must not be fetched
    runner = StrategyRunner(bus, OneStrategy(bus, LlmStrategy(model, "p")), Metrics())
    decision, error = await runner.decide(SPEC, chunk, DeciderState(run="r1"))
    assert (decision.action, decision.reason, error) == ("next", "llm", "")
    (tokens,) = model.chunks
    assert tokens.shape == (3 * frames + 2, 4)
    np.testing.assert_array_equal(tokens[: 3 * frames], IMAGES[8 - frames :].reshape(-1, 4))


async def test_expired_images_mean_silence(bus: Bus) -> None:
    model, chunk = SilentModel(2), await with_images(bus)
    assert chunk.context is not None
    await bus.free_blobs([chunk.context])
    runner = StrategyRunner(bus, OneStrategy(bus, LlmStrategy(model, "p")), Metrics())
    decision, _ = await runner.decide(SPEC, chunk, DeciderState(run="r1"))
    assert (decision.action, decision.reason, model.chunks) == ("next", "blob_expired", [])


async def test_missing_image_tokens_are_reported(bus: Bus) -> None:
    runner = StrategyRunner(bus, OneStrategy(bus, LlmStrategy(SilentModel(2), "p")), Metrics())
    decision, error = await runner.decide(SPEC, await features(bus, 0), DeciderState(run="r1"))
    assert decision.reason == "strategy_failed"
    assert "encoder.model" in error


class FaultyStrategy(RulesStrategy):
    """A strategy with a defect: it fails on every chunk if it is told to wait for long."""

    def propose(self, features: Features, chunk: ChunkInput | None, memory: Memory) -> tuple[Proposal, Memory]:
        if self._every_chunks > 1:
            raise ZeroDivisionError
        return super().propose(features, chunk, memory)


class FaultyStrategies(Strategies):
    def make(self, speak: SpeakSettings, prompt: str, before: Strategy | None = None) -> Strategy:
        return FaultyStrategy(speak.every_chunks, 1.0, 1.0)


async def test_other_settings_end_a_pause(bus: Bus) -> None:
    runner = StrategyRunner(bus, FaultyStrategies(bus.settings), Metrics())
    state, seen = DeciderState(run="r1"), []
    for every in (5, 5, 1):
        spec = SourceSpec(source_id=SOURCE, url="test://", speak=SpeakSettings(every_chunks=every))
        decision, _ = await runner.decide(spec, await features(bus, state.next_seq), state)
        state = decision.state
        seen.append(decision.reason)
    assert seen == ["strategy_failed", "strategy_failed", "every_n_chunks"]


class UnmakeableStrategies(Strategies):
    def make(self, speak: SpeakSettings, prompt: str, before: Strategy | None = None) -> Strategy:
        raise OSError("weights are damaged")


@pytest.mark.parametrize(("strategies", "cause"), [(UnmakeableStrategies, "weights"), (FaultyStrategies, "ZeroDiv")])
async def test_defect_after_an_instruction_is_told(bus: Bus, strategies: type[Strategies], cause: str) -> None:
    """It stopped the whole source, or was told half a minute later."""
    runner, chunk = StrategyRunner(bus, strategies(bus.settings), Metrics()), await features(bus, 0)
    spec = SourceSpec(source_id=SOURCE, url="test://", speak=SpeakSettings(every_chunks=5))
    state = replace(DeciderState(run="r1", next_seq=1, prompt="old", strategy="rules"), latest=chunk_ref(chunk))
    again = await runner.decide_again(spec, state, None)
    assert (again.action, again.reason) == ("next", "new_instruction")
    decision, error = await runner.decide(spec, await features(bus, 1), again.state)
    assert decision.reason == "strategy_failed"
    assert cause in error
