"""Strategies without a model, through the whole decision."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from cornerman_decider.core import Decider, Decision
from cornerman_decider.state import DeciderState
from cornerman_decider.strategies.head import HeadState, HeadStrategy
from cornerman_decider.strategies.interval import IntervalStrategy
from cornerman_decider.strategies.llm import LlmStrategy
from cornerman_decider.strategies.rules import RulesStrategy
from cornerman_decider.strategies.scene import SceneStrategy
from cornerman_decider.strategy import Strategy, StrategyError
from cornerman_shared.bus.chunk_input import ChunkInput
from cornerman_shared.bus.messages import ChunkRef, Features
from cornerman_shared.settings.source import SpeakSettings

MakeFeatures = Callable[..., Features]
REF = ChunkRef(0, 0.0, (), None, None, None)


def decide_all(
    strategy: Strategy,
    chunks: Sequence[Features],
    speak: SpeakSettings,
    *,
    prompt: str = "p",
    state: DeciderState | None = None,
    tokens: ChunkInput | None = None,
) -> list[Decision]:
    state = state or DeciderState(run="r1")
    decisions = []
    for chunk in chunks:
        decision = Decider(speak, strategy).decide(chunk, state, prompt=prompt, chunk=tokens)
        state = decision.state
        decisions.append(decision)
    return decisions


def feedback_times(chunks: Sequence[Features], decisions: Sequence[Decision]) -> list[float]:
    return [c.pts_s for c, d in zip(chunks, decisions, strict=True) if d.speak]


def test_interval_speaks_on_media_time_grid(features: MakeFeatures) -> None:
    chunks = [features(i, 0.875 + i * 0.5) for i in range(40)]
    decisions = decide_all(IntervalStrategy(3.0), chunks, SpeakSettings(min_interval_s=0))
    assert feedback_times(chunks, decisions) == pytest.approx([0.875 + 3.0 * k for k in range(7)])


def test_interval_does_not_drift(features: MakeFeatures) -> None:
    times = [0.0, 3.4, 6.1, 9.3, 12.0]
    chunks = [features(i, t) for i, t in enumerate(times)]
    decisions = decide_all(IntervalStrategy(3.0), chunks, SpeakSettings(min_interval_s=0))
    assert feedback_times(chunks, decisions) == times


def test_interval_stays_due_during_request(features: MakeFeatures) -> None:
    strategy, speak, state = IntervalStrategy(3.0), SpeakSettings(min_interval_s=0), DeciderState(run="r1")
    times = []
    for i in range(12):
        chunk = features(i)
        decision = Decider(speak, strategy).decide(chunk, state, request_open=3.0 <= chunk.pts_s < 4.0, prompt="p")
        state = decision.state
        if decision.speak:
            times.append(chunk.pts_s)
    assert times == [0.0, 4.0]


def test_rules_speak_at_every_nth_chunk(features: MakeFeatures) -> None:
    chunks = [features(i) for i in range(20)]
    decisions = decide_all(RulesStrategy(5, 0.7, 0.56), chunks, SpeakSettings(min_interval_s=0))
    assert [c.seq for c, d in zip(chunks, decisions, strict=True) if d.speak] == [4, 9, 14, 19]
    assert {d.confidence for d in decisions if d.speak} == {0.85}


def test_rules_need_lasting_motion(features: MakeFeatures) -> None:
    spike = [features(i, motion=m) for i, m in enumerate([0.0, 0.0, 0.9])]
    lasting = [features(i, motion=m) for i, m in enumerate([0.5, 0.6, 0.9])]
    rules = RulesStrategy(1000, 0.7, 0.56)
    assert not decide_all(rules, spike, SpeakSettings())[-1].speak
    last = decide_all(rules, lasting, SpeakSettings())[-1]
    assert (last.action, last.reason, last.confidence) == ("feedback", "motion", 0.9)


def test_rules_remember_motion_during_interval(features: MakeFeatures) -> None:
    motions = [0.9, 0.9, 0.9, 0.1, 0.8, 0.9, 0.9]
    chunks = [features(i, i * 1.0, motion=m) for i, m in enumerate(motions)]
    speak = SpeakSettings(min_interval_s=3.0, repeat_window_s=0)
    decisions = decide_all(RulesStrategy(1000, 0.7, 0.56), chunks, speak)
    # At 4 s the interval is over; the mean of the last three motions, silent chunks included, is 0.6.
    assert feedback_times(chunks, decisions) == [0.0, 4.0]
    frozen = [features(0, 0.0, motion=0.9), features(1, 3.0, motion=0.1), features(2, 4.0, motion=0.8)]
    assert feedback_times(frozen, decide_all(RulesStrategy(1000, 0.7, 0.61), frozen, speak)) == [0.0]


def test_scene_speaks_on_change_only(features: MakeFeatures) -> None:
    motions = [0.0] * 6 + [20 / 255] + [0.0] * 5
    chunks = [features(i, i * 1.0, motion=m) for i, m in enumerate(motions)]
    decisions = decide_all(SceneStrategy(5.0), chunks, SpeakSettings(min_interval_s=0))
    assert feedback_times(chunks, decisions) == [0.0, 6.0]
    assert decisions[6].change == pytest.approx(20)
    assert decisions[3].reason == "scene_unchanged"


def test_scene_keeps_change_during_interval(features: MakeFeatures) -> None:
    motions = [0.0, 30 / 255, 0.0, 0.0, 0.0]
    chunks = [features(i, i * 1.0, motion=m) for i, m in enumerate(motions)]
    decisions = decide_all(SceneStrategy(5.0), chunks, SpeakSettings(min_interval_s=3.0))
    assert feedback_times(chunks, decisions) == [0.0, 3.0]


def test_scene_threshold_zero_speaks_always(features: MakeFeatures) -> None:
    chunks = [features(i, i * 1.0) for i in range(4)]
    decisions = decide_all(SceneStrategy(0.0), chunks, SpeakSettings(min_interval_s=0))
    assert len(feedback_times(chunks, decisions)) == 4


def test_new_prompt_makes_scene_speak(features: MakeFeatures) -> None:
    speak, strategy = SpeakSettings(min_interval_s=0), SceneStrategy(5.0)
    before = decide_all(strategy, [features(i) for i in range(3)], speak)
    assert not before[-1].speak
    after = decide_all(strategy, [features(3)], speak, prompt="say what colour it is", state=before[-1].state)
    assert after[0].speak
    assert after[0].state.prompt_since_s == features(3).pts_s


class CountingHead:
    """Gives `correct` at every third step; its state is the number of steps."""

    feature_size = 4

    def step(self, features: NDArray[np.float32], state: HeadState | None) -> tuple[NDArray[np.float32], HeadState]:
        steps = (np.zeros(1, np.float32) if state is None else state) + 1
        probabilities = [0.05, 0.05, 0.9] if int(steps[0]) % 3 == 0 else [0.9, 0.05, 0.05]
        return np.array(probabilities, np.float32), steps


def test_head_keeps_state_between_chunks(features: MakeFeatures) -> None:
    chunks = [features(i, i * 2.0) for i in range(9)]
    decisions = decide_all(HeadStrategy(CountingHead()), chunks, SpeakSettings())
    assert [d.action for d in decisions] == ["next", "next", "correct"] * 3
    assert decisions[2].confidence == pytest.approx(0.9)


def test_head_refuses_other_feature_size(features: MakeFeatures) -> None:
    with pytest.raises(StrategyError, match=r"reads 4 features.*\[7\].*speak\.head"):
        decide_all(HeadStrategy(CountingHead()), [features(0, size=7)], SpeakSettings())


class NanHead(CountingHead):
    def step(self, features: NDArray[np.float32], state: HeadState | None) -> tuple[NDArray[np.float32], HeadState]:
        return np.array([math.nan, 0, 1], np.float32), np.zeros(1, np.float32)


def test_head_with_nan_is_an_error(features: MakeFeatures) -> None:
    with pytest.raises(StrategyError, match="three finite"):
        decide_all(HeadStrategy(NanHead()), [features(0)], SpeakSettings())


class ScriptedModel:
    """An action model that returns scripted logits and records its calls."""

    def __init__(self, logits: list[list[float]], frames: int = 0) -> None:
        self.logits = logits
        self.frames = frames
        self.chunks: list[NDArray[np.floating]] = []
        self.actions: list[int] = []
        self.opened: list[str] = []

    def open(self, prompt: str) -> ScriptedModel:
        self.opened.append(prompt)
        return self

    def append_chunk(self, tokens: NDArray[np.floating]) -> NDArray[np.float32]:
        self.chunks.append(tokens)
        return np.array(self.logits.pop(0), np.float32)

    def append_action(self, action: int) -> None:
        self.actions.append(action)


def test_llm_reads_back_taken_actions(features: MakeFeatures) -> None:
    model = ScriptedModel([[5, 0, 0], [0, 0, 5], [0, 5, 0], [1, 1.1, 1]])
    tokens = ChunkInput(REF, video=np.zeros((4, 16), np.float32))
    chunks = [features(i, i * 1.0) for i in range(4)]
    decisions = decide_all(LlmStrategy(model, "p"), chunks, SpeakSettings(), tokens=tokens)
    assert [d.action for d in decisions] == ["next", "correct", "next", "next"]
    assert [d.reason for d in decisions] == ["llm", "llm", "min_interval", "below_threshold"]
    assert decisions[1].confidence == pytest.approx(math.exp(5) / (math.exp(5) + 2), abs=1e-4)
    assert model.actions == [0, 2, 0, 0]
    assert model.opened == ["p"]


def test_llm_without_tokens_names_encoder(features: MakeFeatures) -> None:
    with pytest.raises(StrategyError, match=r"video tokens.*'fake'"):
        decide_all(LlmStrategy(ScriptedModel([[1, 0, 0]]), "p"), [features(0)], SpeakSettings())


def test_llm_puts_newest_images_before_video(features: MakeFeatures) -> None:
    model = ScriptedModel([[1, 0, 0]], frames=2)
    images = np.arange(4 * 3 * 2, dtype=np.float32).reshape(4, 3, 2)
    video = np.full((5, 2), -1, np.float32)
    strategy = LlmStrategy(model, "p")
    assert strategy.wants_images
    decide_all(strategy, [features(0)], SpeakSettings(), tokens=ChunkInput(REF, images, video))
    np.testing.assert_array_equal(model.chunks[0], np.concatenate([images[2], images[3], video]))


@pytest.mark.parametrize("images", [None, np.zeros((1, 3, 2), np.float32)])
def test_llm_with_too_few_images_fails(images: NDArray[np.float32] | None, features: MakeFeatures) -> None:
    strategy = LlmStrategy(ScriptedModel([[1, 0, 0]], frames=2), "p")
    tokens = ChunkInput(REF, images, np.zeros((5, 2), np.float32))
    with pytest.raises(StrategyError, match=r"2 frames.*gives [01];.*encoder\.model"):
        decide_all(strategy, [features(0)], SpeakSettings(), tokens=tokens)
