"""Strategies without a model, through the whole decision."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from cornerman_decider.core import ChunkTensors, Decider, Decision, Strategy, StrategyError
from cornerman_decider.state import DeciderState
from cornerman_decider.strategies.head import HeadState, HeadStrategy
from cornerman_decider.strategies.interval import IntervalStrategy
from cornerman_decider.strategies.llm import LlmStrategy
from cornerman_decider.strategies.rules import RulesStrategy
from cornerman_decider.strategies.scene import SceneStrategy
from cornerman_shared.bus.messages import Features
from cornerman_shared.settings.source import SpeakSettings

MakeFeatures = Callable[..., Features]


def decide_all(
    strategy: Strategy,
    chunks: Sequence[Features],
    speak: SpeakSettings,
    *,
    prompt: str = "p",
    state: DeciderState | None = None,
    tokens: ChunkTensors | None = None,
) -> list[Decision]:
    state = state or DeciderState(run="r1")
    decisions = []
    for chunk in chunks:
        decision = Decider(speak, strategy).decide(chunk, state, prompt=prompt, tokens=tokens)
        state = decision.state
        decisions.append(decision)
    return decisions


def spoken(chunks: Sequence[Features], decisions: Sequence[Decision]) -> list[float]:
    return [c.pts_s for c, d in zip(chunks, decisions, strict=True) if d.speak]


def test_interval_speaks_at_the_first_chunk_and_then_on_a_grid_of_media_time(features: MakeFeatures) -> None:
    chunks = [features(i, 0.875 + i * 0.5) for i in range(40)]
    decisions = decide_all(IntervalStrategy(3.0), chunks, SpeakSettings(min_interval_s=0))
    assert spoken(chunks, decisions) == pytest.approx([0.875 + 3.0 * k for k in range(7)])


def test_interval_does_not_drift_when_chunks_come_late(features: MakeFeatures) -> None:
    times = [0.0, 3.4, 6.1, 9.3, 12.0]
    chunks = [features(i, t) for i, t in enumerate(times)]
    decisions = decide_all(IntervalStrategy(3.0), chunks, SpeakSettings(min_interval_s=0))
    assert spoken(chunks, decisions) == times


def test_interval_stays_due_while_something_is_being_said(features: MakeFeatures) -> None:
    strategy, speak, state = IntervalStrategy(3.0), SpeakSettings(min_interval_s=0), DeciderState(run="r1")
    said = []
    for i in range(12):
        chunk = features(i)
        decision = Decider(speak, strategy).decide(chunk, state, request_open=3.0 <= chunk.pts_s < 4.0, prompt="p")
        state = decision.state
        if decision.speak:
            said.append(chunk.pts_s)
    assert said == [0.0, 4.0]


def test_rules_speak_at_every_fifth_chunk_with_their_confidence(features: MakeFeatures) -> None:
    chunks = [features(i) for i in range(20)]
    decisions = decide_all(RulesStrategy(5, 0.7, 0.56), chunks, SpeakSettings(min_interval_s=0))
    assert [c.seq for c, d in zip(chunks, decisions, strict=True) if d.speak] == [4, 9, 14, 19]
    assert {d.confidence for d in decisions if d.speak} == {0.85}


def test_rules_want_motion_that_is_high_now_and_was_high_lately(features: MakeFeatures) -> None:
    spike = [features(i, motion=m) for i, m in enumerate([0.0, 0.0, 0.9])]
    lasting = [features(i, motion=m) for i, m in enumerate([0.5, 0.6, 0.9])]
    rules = RulesStrategy(1000, 0.7, 0.56)
    assert not decide_all(rules, spike, SpeakSettings())[-1].speak
    last = decide_all(rules, lasting, SpeakSettings())[-1]
    assert (last.action, last.reason, last.confidence) == ("feedback", "motion", 0.9)


def test_rules_remember_motion_through_the_minimum_interval(features: MakeFeatures) -> None:
    motions = [0.9, 0.9, 0.9, 0.1, 0.8, 0.9, 0.9]
    chunks = [features(i, i * 1.0, motion=m) for i, m in enumerate(motions)]
    speak = SpeakSettings(min_interval_s=3.0, repeat_window_s=0)
    decisions = decide_all(RulesStrategy(1000, 0.7, 0.56), chunks, speak)
    # At 4 s the interval is over and motion is high, but its mean with what came during the silence is 0.6.
    assert spoken(chunks, decisions) == [0.0, 4.0]
    frozen = [features(0, 0.0, motion=0.9), features(1, 3.0, motion=0.1), features(2, 4.0, motion=0.8)]
    assert spoken(frozen, decide_all(RulesStrategy(1000, 0.7, 0.61), frozen, speak)) == [0.0]


def test_scene_is_silent_while_nothing_changes_and_speaks_when_something_did(features: MakeFeatures) -> None:
    motions = [0.0] * 6 + [20 / 255] + [0.0] * 5
    chunks = [features(i, i * 1.0, motion=m) for i, m in enumerate(motions)]
    decisions = decide_all(SceneStrategy(5.0), chunks, SpeakSettings(min_interval_s=0))
    assert spoken(chunks, decisions) == [0.0, 6.0]
    assert decisions[6].change == pytest.approx(20)
    assert decisions[3].reason == "scene_unchanged"


def test_scene_still_comments_on_a_change_that_happened_during_a_silence(features: MakeFeatures) -> None:
    motions = [0.0, 30 / 255, 0.0, 0.0, 0.0]
    chunks = [features(i, i * 1.0, motion=m) for i, m in enumerate(motions)]
    decisions = decide_all(SceneStrategy(5.0), chunks, SpeakSettings(min_interval_s=3.0))
    assert spoken(chunks, decisions) == [0.0, 3.0]


def test_scene_with_threshold_zero_comments_on_every_chunk(features: MakeFeatures) -> None:
    chunks = [features(i, i * 1.0) for i in range(4)]
    decisions = decide_all(SceneStrategy(0.0), chunks, SpeakSettings(min_interval_s=0))
    assert len(spoken(chunks, decisions)) == 4


def test_a_new_instruction_makes_scene_look_afresh_at_once(features: MakeFeatures) -> None:
    speak, strategy = SpeakSettings(min_interval_s=0), SceneStrategy(5.0)
    before = decide_all(strategy, [features(i) for i in range(3)], speak)
    assert not before[-1].speak
    after = decide_all(strategy, [features(3)], speak, prompt="say what colour it is", state=before[-1].state)
    assert after[0].speak
    assert after[0].state.fresh_since_s == features(3).pts_s


class CountingHead:
    """Says `correct` at every third step; its state is how many it has seen."""

    feature_size = 4

    def step(self, features: NDArray[np.float32], state: HeadState | None) -> tuple[NDArray[np.float32], HeadState]:
        seen = (np.zeros(1, np.float32) if state is None else state) + 1
        probabilities = [0.05, 0.05, 0.9] if int(seen[0]) % 3 == 0 else [0.9, 0.05, 0.05]
        return np.array(probabilities, np.float32), seen


def test_head_corrects_and_keeps_its_memory_between_chunks(features: MakeFeatures) -> None:
    chunks = [features(i, i * 2.0) for i in range(9)]
    decisions = decide_all(HeadStrategy(CountingHead()), chunks, SpeakSettings())
    assert [d.action for d in decisions] == ["next", "next", "correct"] * 3
    assert decisions[2].confidence == pytest.approx(0.9)


def test_head_refuses_features_of_another_size_and_says_what_to_do(features: MakeFeatures) -> None:
    with pytest.raises(StrategyError, match=r"reads 4 features.*\[7\].*speak\.head"):
        decide_all(HeadStrategy(CountingHead()), [features(0, size=7)], SpeakSettings())


class ShapelessHead(CountingHead):
    def step(self, features: NDArray[np.float32], state: HeadState | None) -> tuple[NDArray[np.float32], HeadState]:
        return np.array([math.nan, 0, 1], np.float32), np.zeros(1, np.float32)


def test_head_that_gives_nonsense_is_an_error_not_silence(features: MakeFeatures) -> None:
    with pytest.raises(StrategyError, match="three finite"):
        decide_all(HeadStrategy(ShapelessHead()), [features(0)], SpeakSettings())


class ScriptedModel:
    """An action model that reads logits from a script and writes down what it was told."""

    def __init__(self, logits: list[list[float]], frames: int = 0) -> None:
        self.logits = logits
        self.frames = frames
        self.saw: list[NDArray[np.floating]] = []
        self.did_actions: list[int] = []
        self.opened: list[str] = []

    def open(self, prompt: str) -> ScriptedModel:
        self.opened.append(prompt)
        return self

    def see(self, tokens: NDArray[np.floating]) -> NDArray[np.float32]:
        self.saw.append(tokens)
        return np.array(self.logits.pop(0), np.float32)

    def did(self, action: int) -> None:
        self.did_actions.append(action)


def test_llm_turns_logits_into_probabilities_and_tells_the_model_what_was_done(features: MakeFeatures) -> None:
    model = ScriptedModel([[5, 0, 0], [0, 0, 5], [0, 5, 0], [1, 1.1, 1]])
    tokens = ChunkTensors(np.zeros((4, 16), np.float32))
    chunks = [features(i, i * 1.0) for i in range(4)]
    decisions = decide_all(LlmStrategy(model, "p"), chunks, SpeakSettings(), tokens=tokens)
    assert [d.action for d in decisions] == ["next", "correct", "next", "next"]
    assert [d.reason for d in decisions] == ["llm", "llm", "min_interval", "below_threshold"]
    assert decisions[1].confidence == pytest.approx(math.exp(5) / (math.exp(5) + 2), abs=1e-4)
    assert model.did_actions == [0, 2, 0, 0]
    assert model.opened == ["p"]


def test_llm_without_tokens_is_an_error_that_names_the_encoder(features: MakeFeatures) -> None:
    with pytest.raises(StrategyError, match=r"video tokens.*'fake'"):
        decide_all(LlmStrategy(ScriptedModel([[1, 0, 0]]), "p"), [features(0)], SpeakSettings())


def test_llm_shows_the_model_the_newest_frames_before_the_video(features: MakeFeatures) -> None:
    model = ScriptedModel([[1, 0, 0]], frames=2)
    images = np.arange(4 * 3 * 2, dtype=np.float32).reshape(4, 3, 2)
    video = np.full((5, 2), -1, np.float32)
    strategy = LlmStrategy(model, "p")
    assert strategy.wants_images
    decide_all(strategy, [features(0)], SpeakSettings(), tokens=ChunkTensors(video, images))
    np.testing.assert_array_equal(model.saw[0], np.concatenate([images[2], images[3], video]))


@pytest.mark.parametrize("images", [None, np.zeros((1, 3, 2), np.float32)])
def test_llm_that_needs_more_frames_than_there_are_says_what_to_do(
    images: NDArray[np.float32] | None, features: MakeFeatures
) -> None:
    strategy = LlmStrategy(ScriptedModel([[1, 0, 0]], frames=2), "p")
    with pytest.raises(StrategyError, match=r"2 frames.*gives [01];.*encoder\.model"):
        decide_all(strategy, [features(0)], SpeakSettings(), tokens=ChunkTensors(np.zeros((5, 2), np.float32), images))
