"""Baselines: the decider's own strategies behind its own gate."""

from __future__ import annotations

import numpy as np

from cornerman.local.baselines import TEXT, baselines, feedback_of
from cornerman_decider.strategies.rules import RulesStrategy
from cornerman_shared.settings.source import SpeakSettings

CHUNKS = [(0.875 + 0.5 * i, 0.1) for i in range(40)]


def times(chunks: list[tuple[float, float]], name: str) -> list[float]:
    return [feedback.time_s for feedback in baselines(chunks)[name]]


def test_interval_speaks_every_three_seconds() -> None:
    assert times(CHUNKS, "interval") == [0.875 + 3.0 * i for i in range(7)]
    assert {feedback.text for feedback in baselines(CHUNKS)["interval"]} == {TEXT}


def test_rules_speak_every_fifth_chunk() -> None:
    # Every fifth chunk comes after 2.5 s, but the gate asks for 3 s.
    assert times(CHUNKS, "rules") == [0.875 + 0.5 * (n - 1) for n in (5, 15, 25, 35)]


def test_motion_triggers_rules() -> None:
    lively = [(pts_s, 0.9 if i == 2 else 0.65) for i, (pts_s, _) in enumerate(CHUNKS)]
    speak = SpeakSettings(every_chunks=1000)
    rules = RulesStrategy(speak.every_chunks, speak.motion_threshold, speak.motion_release)
    assert [feedback.time_s for feedback in feedback_of(rules, speak, lively)] == [CHUNKS[2][0]]


def test_no_chunks_give_no_feedback() -> None:
    assert baselines([]) == {"interval": (), "rules": ()}


def test_baselines_are_deterministic() -> None:
    motion = np.random.default_rng(3).uniform(0, 1, 200)
    chunks = [(0.875 + 0.5 * i, float(m)) for i, m in enumerate(motion)]
    assert baselines(chunks) == baselines(chunks)
    assert len(times(chunks, "rules")) > len(times(CHUNKS, "rules"))
