"""What the product's simple strategies would say over the same chunks: the bar that a trained coach must clear.

They are the decider's own, with its own gate and default settings; a chunk is its time and its motion. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cornerman_decider.core import Decider, Strategy, new_run
from cornerman_decider.state import DeciderState
from cornerman_decider.strategies.interval import IntervalStrategy
from cornerman_decider.strategies.rules import RulesStrategy
from cornerman_shared.bus.messages import Features, Times
from cornerman_shared.settings.source import SpeakSettings
from cornerman_training.evaluate.messages import SpokenFeedback

WORDS = "Keep going."
"""Only when they speak is measured; a match needs some words."""

Moment = tuple[float, float]
"""Media time, seconds, of a chunk's newest frame, and the chunk's motion, 0..1."""


def baselines(chunks: Sequence[Moment]) -> Mapping[str, tuple[SpokenFeedback, ...]]:
    """What `interval` and `rules` would say over these chunks, in order of time."""
    speak = SpeakSettings()
    rules = RulesStrategy(speak.every_chunks, speak.motion_threshold, speak.motion_release)
    return {
        "interval": said_by(IntervalStrategy(speak.interval_s), speak, chunks),
        "rules": said_by(rules, speak, chunks),
    }


def said_by(strategy: Strategy, speak: SpeakSettings, chunks: Sequence[Moment]) -> tuple[SpokenFeedback, ...]:
    """What a strategy that reads neither features nor tokens says over a run."""
    decider, state = Decider(speak, strategy), new_run("run", DeciderState())
    said: list[SpokenFeedback] = []
    for seq, (pts_s, motion) in enumerate(chunks):
        decision = decider.decide(_features(seq, pts_s, motion), state)
        state = decision.state
        if decision.action != "next":
            said.append(SpokenFeedback(pts_s, WORDS, decision.action))
    return tuple(said)


def _features(seq: int, pts_s: float, motion: float) -> Features:
    return Features(
        source_id="baseline",
        run="run",
        seq=seq,
        pts_s=pts_s,
        motion=motion,
        lossless=True,
        status="ok",
        vector=None,
        context=None,
        video=None,
        frames=None,
        frame_pts_s=(pts_s,),
        model="",
        times=Times(),
    )
