"""Polls and commentary looks at the decider: when they are due, and what change is measured against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from cornerman_decider.core import Decider, Decision
from cornerman_decider.requests import request_for
from cornerman_decider.state import DeciderState
from cornerman_decider.state_codec import state_bytes, state_from
from cornerman_decider.strategies.interval import IntervalStrategy
from cornerman_decider.strategies.scene import SceneStrategy
from cornerman_decider.strategy import StrategyError
from cornerman_shared.bus.messages import Features
from cornerman_shared.settings.source import SourceSpec, SpeakSettings

MakeFeatures = Callable[..., Features]
SCENE = SpeakSettings(strategy="scene", scene_threshold=5.0, min_interval_s=0.0)


def look_at(features: Features, level: float = 0.0, look: str = "stride") -> Features:
    picture = np.full((64, 64, 3), round(level), np.uint8)
    return replace(features, look=look, thumbnail=picture.tobytes())  # type: ignore[arg-type]


def watch(features: MakeFeatures, levels: list[float], speak: SpeakSettings = SCENE) -> list[Decision]:
    decider, state = Decider(speak, SceneStrategy(speak.scene_threshold)), DeciderState(run="r1")
    found = []
    for seq, level in enumerate(levels):
        # Written and read again, as between two deciders.
        found.append(decider.decide(look_at(features(seq), level), state_from(state_bytes(state)), prompt="p"))
        state = found[-1].state
    return found


def test_change_is_against_last_inferred_look(features: MakeFeatures) -> None:
    """A slow change, little from look to look, was never seen: it was measured within a chunk."""
    decisions = watch(features, [100, 102, 104, 106, 108, 106])
    assert [one.speak for one in decisions] == [True, False, False, True, False, False]
    assert [one.change for one in decisions] == [255.0, 2.0, 4.0, 6.0, 2.0, 0.0]


def test_frozen_picture_stays_silent(features: MakeFeatures) -> None:
    assert [one.speak for one in watch(features, [50.0] * 20)] == [True, *[False] * 19]


def test_change_during_an_answer_is_seen_afterwards(features: MakeFeatures) -> None:
    decider, strategy = Decider(SCENE, SceneStrategy(5.0)), DeciderState(run="r1")
    first = decider.decide(look_at(features(0), 0), strategy, prompt="p")
    busy = decider.decide(look_at(features(1), 200), first.state, prompt="p", request_open=True)
    after = decider.decide(look_at(features(2), 200), busy.state, prompt="p")
    assert (busy.speak, busy.reason, after.speak, after.change) == (False, "request_open", True, 200.0)


def test_motion_counts_without_small_pictures(features: MakeFeatures) -> None:
    """An older capture sends none."""
    decider, state = Decider(SCENE, SceneStrategy(5.0)), DeciderState(run="r1")
    spoke = []
    for seq, motion in enumerate([0.0, 0.01, 0.1, 0.01]):
        decision = decider.decide(features(seq, motion=motion), state, prompt="p")
        state = decision.state
        spoke.append(decision.speak)
    assert spoke == [True, False, True, False]


@pytest.mark.parametrize("early_s", [0.0, 0.016, -0.016])
def test_every_poll_is_due(features: MakeFeatures, early_s: float) -> None:
    """Half a frame early it was neither due nor past the gate's interval, and was lost."""
    speak = SpeakSettings(strategy="interval", interval_s=3.0, min_interval_s=3.0)
    decider, state = Decider(speak, IntervalStrategy(3.0)), DeciderState(run="r1")
    for seq in range(8):
        pts_s = 6.0 + 3.0 * seq - (early_s if seq % 2 else 0.0)
        decision = decider.decide(replace(features(seq, pts_s), look="poll"), state, prompt="p")
        state = decision.state
        assert (decision.speak, decision.reason) == (True, "interval")


@pytest.mark.parametrize("look", ["poll", "stride"])
def test_request_is_about_one_look(features: MakeFeatures, look: str) -> None:
    speak = SpeakSettings(strategy="interval", interval_s=0.5, min_interval_s=0.0, context_chunks=16)
    speak = speak.model_copy(update={"clear_context": False})
    decider, state = Decider(speak, IntervalStrategy(0.5)), DeciderState(run="r1")
    for seq in range(4):
        made = replace(features(seq), look=look, frame_pts_s=tuple(range(16)))
        decision = decider.decide(made, state, prompt="p")
        state = decision.state
        assert [chunk.seq for chunk in decision.chunks] == [seq]
    spec = SourceSpec(source_id="cam", url="test://bars", speak=speak)
    request = request_for(made, decision, spec, None, 1.0)
    assert [len(chunk.frame_pts_s) for chunk in request.chunks] == [16]


def test_chunk_strategy_refuses_other_looks(features: MakeFeatures) -> None:
    class Head(SceneStrategy):
        name = "head"

    with pytest.raises(StrategyError, match=r"strategy head judges chunks, and this is a poll; give watch\.look"):
        Decider(SCENE, Head(0.0)).decide(replace(features(0), look="poll"), DeciderState(run="r1"))
