"""Strategies that load a model: the temporal head and the language half's rolling context."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cornerman_decider.core import Decider
from cornerman_decider.state import DeciderState
from cornerman_decider.state_codec import state_bytes, state_from
from cornerman_decider.strategies.factory import Strategies
from cornerman_decider.strategies.rolling import RollingActionModel
from cornerman_decider.strategy import StrategyError
from cornerman_shared.bus.chunk_input import ChunkInput
from cornerman_shared.bus.messages import ChunkRef, Features
from cornerman_shared.settings.source import SpeakSettings
from cornerman_shared.settings.tree import GeneratorSettings, Settings
from mobile_videogpt import MobileVideoGPT, MobileVideoGPTConfig
from mobile_videogpt.head import HeadConfig, TemporalHead
from mobile_videogpt.tokenizer import tiny_tokenizer

MakeFeatures = Callable[..., Features]
SIZE = 4 + 8 * 3


@pytest.fixture
def head(tmp_path: Path) -> Path:
    random = np.random.default_rng(1)
    config = HeadConfig(cls_width=4, frames=8, row_width=3, reduced=4, hidden=6)
    weights = {name: random.standard_normal(shape).astype(np.float32) for name, shape in config.shapes().items()}
    TemporalHead(config, weights).save(tmp_path / "head")
    return tmp_path / "head"


def test_head_continues_from_saved_state(head: Path, features: MakeFeatures) -> None:
    speak = SpeakSettings(strategy="head", head=str(head), confidence_threshold=0.4, min_interval_s=0)
    random = np.random.default_rng(2)
    chunks = [replace(features(i), vector=random.standard_normal(SIZE).astype(np.float32) * 2) for i in range(24)]
    one, two = DeciderState(run="r1"), DeciderState(run="r1")
    first, second = (Strategies(Settings()).make(speak, "p") for _ in range(2))
    actions = []
    for i, chunk in enumerate(chunks):
        a = Decider(speak, first).decide(chunk, one, prompt="p")
        b = Decider(speak, first if i < 12 else second).decide(chunk, two, prompt="p")
        assert (a.action, a.confidence, a.reason) == (b.action, b.confidence, b.reason)
        one, two = a.state, state_from(state_bytes(b.state))
        actions.append(a.action)
    assert len(set(actions)) > 1
    strategies = Strategies(Settings())
    assert strategies.key(speak, "p") == strategies.key(speak, "q")


def test_missing_or_damaged_head_is_named(head: Path, tmp_path: Path) -> None:
    strategies = Strategies(Settings())
    with pytest.raises(StrategyError, match=r"speak\.head.*nowhere"):
        strategies.make(SpeakSettings(strategy="head", head=str(tmp_path / "nowhere")), "p")
    (head / "head.json").write_text("{]")
    with pytest.raises(StrategyError, match=r"speak\.head.*damaged"):
        strategies.make(SpeakSettings(strategy="head", head=str(head)), "p")


@pytest.fixture(scope="module")
def model() -> MobileVideoGPT:
    torch.manual_seed(3)
    tiny = MobileVideoGPTConfig.tiny()
    model = MobileVideoGPT(replace(tiny, language=replace(tiny.language, vocab_size=384)), "language").eval()
    model.tokenizer = tiny_tokenizer()
    return model


def test_rolling_context_depends_on_taken_action(model: MobileVideoGPT) -> None:
    random = np.random.default_rng(3)
    tokens = [random.standard_normal((32, 128)).astype(np.float16) for _ in range(3)]
    context = RollingActionModel(model).open("Coach the squat.")
    logits = [context.append_chunk(tokens[0])]
    context.append_action(0)
    logits.append(context.append_chunk(tokens[1]))
    context.append_action(2)
    logits.append(context.append_chunk(tokens[2]))
    other = RollingActionModel(model).open("Coach the squat.")
    np.testing.assert_array_equal(other.append_chunk(tokens[0]), logits[0])
    other.append_action(1)
    assert not np.allclose(other.append_chunk(tokens[1]), logits[1])
    assert all(each.shape == (3,) and np.isfinite(each).all() for each in logits)


def test_rolling_context_stays_bounded(model: MobileVideoGPT) -> None:
    context = RollingActionModel(model, window=700).open("Coach.")
    tokens = np.zeros((32, 128), np.float16)
    for _ in range(60):
        assert np.isfinite(context.append_chunk(tokens)).all()
        context.append_action(0)
    assert context._session.length <= 700  # type: ignore[attr-defined]


def test_other_width_or_missing_model_fails(model: MobileVideoGPT, tmp_path: Path) -> None:
    with pytest.raises(StrategyError, match="cannot read this chunk"):
        RollingActionModel(model).open("Coach.").append_chunk(np.zeros((32, 16), np.float16))
    settings = Settings(generator=GeneratorSettings(model=str(tmp_path), device="cpu"))
    with pytest.raises(StrategyError, match="strategy llm"):
        Strategies(settings).make(SpeakSettings(strategy="llm"), "p")


def test_llm_loads_checkpoint_folder(model: MobileVideoGPT, tmp_path: Path, features: MakeFeatures) -> None:
    tiny = MobileVideoGPTConfig.tiny()
    whole = MobileVideoGPT(replace(tiny, language=replace(tiny.language, vocab_size=384)))
    whole.tokenizer = tiny_tokenizer()
    whole.save_pretrained(tmp_path / "m")
    settings = Settings(generator=GeneratorSettings(model=str(tmp_path / "m"), device="cpu"))
    speak = SpeakSettings(strategy="llm", confidence_threshold=0)
    strategy = Strategies(settings).make(speak, "Coach.")
    tokens = ChunkInput(ChunkRef(0, 0.0, (), None, None, None), video=np.zeros((32, 128), np.float32))
    decision = Decider(speak, strategy).decide(features(0), DeciderState(run="r1"), chunk=tokens, prompt="Coach.")
    assert decision.reason == "llm"
    assert 1 / 3 <= decision.confidence <= 1
