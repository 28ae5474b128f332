"""The baselines are the product's own strategies behind its own gate."""

from __future__ import annotations

import numpy as np

from cornerman.local.baselines import WORDS, baselines, said_by
from cornerman_decider.strategies.rules import RulesStrategy
from cornerman_shared.settings.source import SpeakSettings

CHUNKS = [(0.875 + 0.5 * i, 0.1) for i in range(40)]


def times(chunks: list[tuple[float, float]], name: str) -> list[float]:
    return [said.time_s for said in baselines(chunks)[name]]


def test_the_interval_speaks_at_the_first_chunk_and_every_three_seconds_then() -> None:
    assert times(CHUNKS, "interval") == [0.875 + 3.0 * i for i in range(7)]
    assert {said.text for said in baselines(CHUNKS)["interval"]} == {WORDS}


def test_the_rules_speak_at_every_fifth_chunk_that_the_gate_lets_through() -> None:
    # Every fifth chunk is 2.5 s after the one before, and the gate wants 3 s between two.
    assert times(CHUNKS, "rules") == [0.875 + 0.5 * (n - 1) for n in (5, 15, 25, 35)]


def test_motion_makes_the_rules_speak() -> None:
    lively = [(pts_s, 0.9 if i == 2 else 0.65) for i, (pts_s, _) in enumerate(CHUNKS)]
    speak = SpeakSettings(every_chunks=1000)
    rules = RulesStrategy(speak.every_chunks, speak.motion_threshold, speak.motion_release)
    assert [said.time_s for said in said_by(rules, speak, lively)] == [CHUNKS[2][0]]


def test_no_chunks_no_words() -> None:
    assert baselines([]) == {"interval": (), "rules": ()}


def test_they_are_the_same_every_time() -> None:
    motion = np.random.default_rng(3).uniform(0, 1, 200)
    chunks = [(0.875 + 0.5 * i, float(m)) for i, m in enumerate(motion)]
    assert baselines(chunks) == baselines(chunks)
    assert len(times(chunks, "rules")) > len(times(CHUNKS, "rules"))
