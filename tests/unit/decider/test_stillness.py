"""The pause of polls while nothing moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cornerman_decider.strategies.interval import IntervalStrategy
from tests.unit.decider.conftest import make
from tests.unit.decider.test_changed_settings import Watched

LEVEL, PAUSE_S = 0.01, 4.0


def spoken(*motions: float, pause_s: float = PAUSE_S, interval_s: float = 1.0) -> list[float]:
    """Media times of polls; a chunk each half second."""
    watched = Watched()
    strategy = IntervalStrategy(interval_s, LEVEL, pause_s)
    for motion in motions:
        watched.decide(strategy, motion)
    return [seq * 0.5 for seq in watched.spoke]


def test_still_picture_pauses_polls() -> None:
    assert spoken(*[0.0] * 20) == [0.0, 1.0, 2.0, 3.0]


def test_polls_are_never_paused_by_default() -> None:
    assert spoken(*[0.0] * 20, pause_s=0.0) == [float(n) for n in range(10)]


def test_pause_has_hysteresis() -> None:
    between = LEVEL * 0.7
    assert spoken(*[between] * 20)[-1] == 9.0  # it never rested
    assert spoken(*[0.0] * 12, *[between] * 12)[-1] == 3.0  # it rests, and this is too little to end that
    assert spoken(*[0.0] * 12, LEVEL, *[between] * 6)[4:] == [6.0, 7.0, 8.0, 9.0]


def test_pause_ends_with_motion() -> None:
    polls = spoken(*[0.0] * 12, 0.5, *[0.0] * 12)
    assert polls == [0.0, 1.0, 2.0, 3.0, 6.0, 7.0, 8.0, 9.0]


@pytest.mark.parametrize(("people", "last_s"), [(1, 9.0), (0, 3.0)])
def test_person_in_view_never_rests(people: int, last_s: float) -> None:
    strategy, memory, spoke = IntervalStrategy(1.0, LEVEL, PAUSE_S), {}, []
    for seq in range(20):
        chunk = replace(make(seq), people=np.array([224, 398, people, 0, 0, 0], np.float32))
        proposal, memory = strategy.propose(chunk, None, memory)
        if proposal.action != "next":
            spoke.append(chunk.pts_s)
        else:
            assert proposal.reason in ("still", "not_due")
        memory = strategy.after_gate(chunk, proposal, proposal.action != "next", memory)
    assert spoke[-1] == last_s


def test_changed_pause_takes_effect() -> None:
    watched = Watched()
    for _ in range(12):
        watched.decide(IntervalStrategy(1.0, LEVEL, PAUSE_S))
    assert watched.spoke[-1] == 6
    for _ in range(8):
        watched.decide(IntervalStrategy(1.0, LEVEL, 0.0))
    assert watched.spoke[-1] == 18


def test_polls_that_capture_cuts_pause() -> None:
    strategy, memory, spoke = IntervalStrategy(3.0, LEVEL, PAUSE_S), {}, []
    for seq, motion in enumerate((0.2, 0.0, 0.0, 0.0, 0.2, 0.0)):
        poll = replace(make(seq, 6.0 + 3.0 * seq, motion=motion), look="poll")
        proposal, memory = strategy.propose(poll, None, memory)
        spoke.append(proposal.action != "next")
        memory = strategy.after_gate(poll, proposal, spoke[-1], memory)
    assert spoke == [True, True, False, False, True, True]
