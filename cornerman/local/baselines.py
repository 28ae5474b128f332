"""Baselines of an evaluation: the feedback of the simple strategies over the same chunks. Pure.

Uses the decider's own strategies and gate with default settings; a chunk is its media time and its motion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cornerman_decider.core import Decider
from cornerman_decider.state import DeciderState, new_run
from cornerman_decider.strategies.interval import IntervalStrategy
from cornerman_decider.strategies.rules import RulesStrategy
from cornerman_decider.strategy import Strategy
from cornerman_shared.bus.messages import Features, Times
from cornerman_shared.settings.source import SpeakSettings
from cornerman_training.evaluate.messages import SpokenFeedback

TEXT = "Keep going."
"""Only the times are measured, but a match needs a text."""

ChunkMotion = tuple[float, float]
"""Media time of a chunk's newest frame, seconds, and the chunk's motion, 0..1."""


def baselines(chunks: Sequence[ChunkMotion]) -> Mapping[str, tuple[SpokenFeedback, ...]]:
    """Feedback of `interval` and `rules` over these chunks, in order of time."""
    speak = SpeakSettings()
    rules = RulesStrategy(speak.every_chunks, speak.motion_threshold, speak.motion_release)
    return {
        "interval": feedback_of(IntervalStrategy(speak.interval_s), speak, chunks),
        "rules": feedback_of(rules, speak, chunks),
    }


def feedback_of(strategy: Strategy, speak: SpeakSettings, chunks: Sequence[ChunkMotion]) -> tuple[SpokenFeedback, ...]:
    """Feedback over a run of a strategy that reads neither features nor tokens."""
    decider, state = Decider(speak, strategy), new_run("run", DeciderState())
    feedback: list[SpokenFeedback] = []
    for seq, (pts_s, motion) in enumerate(chunks):
        decision = decider.decide(_features(seq, pts_s, motion), state)
        state = decision.state
        if decision.action != "next":
            feedback.append(SpokenFeedback(pts_s, TEXT, decision.action))
    return tuple(feedback)


def _features(seq: int, pts_s: float, motion: float) -> Features:
    return Features(
        source_id="baseline",
        run="run",
        seq=seq,
        pts_s=pts_s,
        motion=motion,
        lossless=True,
        status="ok",
        # Empty: these strategies read media time and motion only.
        vector=None,
        context=None,
        video=None,
        frames=None,
        frame_pts_s=(pts_s,),
        model="",
        times=Times(),
    )
