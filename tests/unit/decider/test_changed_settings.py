"""Settings changed while a source runs: every next decision follows from what was seen and said, not from old numbers.

An oracle per strategy decides from the whole history with the present settings only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cornerman_common.gate import GateState, Proposal, pass_gate
from cornerman_decider.core import Decider
from cornerman_decider.state import DeciderState
from cornerman_decider.state_codec import state_bytes, state_from
from cornerman_decider.strategies.head import HeadState, HeadStrategy
from cornerman_decider.strategies.interval import IntervalStrategy
from cornerman_decider.strategies.rules import RulesStrategy
from cornerman_decider.strategies.scene import SceneStrategy
from cornerman_decider.strategy import Strategy
from cornerman_shared.bus.codec import pack_map, unpack_map
from cornerman_shared.bus.messages import Features
from cornerman_shared.settings.source import SpeakSettings
from tests.unit.decider.conftest import make

CHUNK_S = 0.5
OPEN = SpeakSettings(min_interval_s=0, repeat_window_s=0, confidence_threshold=0)
MOTIONS = st.lists(st.sampled_from([0.0, 0.02, 0.1, 0.4, 0.6, 0.8, 1.0]), min_size=30, max_size=80)


@dataclass
class Watched:
    """One source, decided chunk by chunk; its state goes through its stored bytes."""

    state: DeciderState = field(default_factory=lambda: DeciderState(run="r1"))
    chunks: list[Features] = field(default_factory=list)
    spoke: list[int] = field(default_factory=list)

    def decide(self, strategy: Strategy, motion: float = 0.0, speak: SpeakSettings = OPEN) -> bool:
        chunk = make(len(self.chunks), motion=motion)
        self.chunks.append(chunk)
        decision = Decider(speak, strategy).decide(chunk, self.state, prompt="p")
        self.state = state_from(state_bytes(decision.state))
        if decision.speak:
            self.spoke.append(chunk.seq)
        return decision.speak


def interval_oracle(watched: Watched, interval_s: float) -> bool:
    """Due if a point of the grid lies after what was said last and not after now."""
    now_s = watched.chunks[-1].pts_s
    if not watched.spoke:
        return True
    points = [k * interval_s for k in range(int(now_s / interval_s) + 1)]
    return any(watched.spoke[-1] * CHUNK_S + 1e-6 < point for point in points)


@given(st.lists(st.sampled_from([0.5, 1.0, 1.5, 3.0, 7.0, 10.0]), min_size=2, max_size=5), st.integers(3, 60))
def test_interval_follows_its_last_setting(intervals: list[float], chunks: int) -> None:
    watched = Watched()
    for interval_s in intervals:
        for _ in range(chunks):
            said = list(watched.spoke)
            spoke = watched.decide(IntervalStrategy(interval_s))
            assert spoke == interval_oracle(Watched(chunks=watched.chunks, spoke=said), interval_s)


@pytest.mark.parametrize(("before_s", "after_s"), [(1.0, 10.0), (10.0, 1.0), (3.0, 7.0), (0.5, 600.0)])
def test_changed_interval_equals_lasting_interval(before_s: float, after_s: float) -> None:
    changed, lasting = Watched(), Watched()
    for seq in range(400):
        changed.decide(IntervalStrategy(before_s if seq < 121 else after_s))
        lasting.decide(IntervalStrategy(after_s))
    settled = 121 + int(1 / CHUNK_S)
    assert [seq for seq in changed.spoke if seq >= settled] == [seq for seq in lasting.spoke if seq >= settled]


@pytest.mark.parametrize("interval_s", [1e-30, 5e-324])
def test_tiny_interval_can_be_stored(interval_s: float) -> None:
    watched = Watched()
    assert [watched.decide(IntervalStrategy(interval_s)) for _ in range(3)] == [True] * 3


def test_interval_reads_older_memory() -> None:
    # An older version stored the number of the next point only: the 61st, of a grid of 1 s.
    older = DeciderState("r1", next_seq=121, strategy="interval", memory={"start_s": 0.0, "due": 61}, prompt="p")
    for interval_s, due_s in ((1.0, 61.0), (10.0, 70.0)):
        watched = Watched(older, [make(seq) for seq in range(121)])
        while not watched.spoke:
            watched.decide(IntervalStrategy(interval_s))
        assert watched.spoke[0] * CHUNK_S == due_s
        # The older version can go on from what we store.
        assert {"start_s", "due"} <= set(watched.state.memory)


RULES = st.tuples(st.integers(1, 9), st.sampled_from([0.1, 0.5, 0.7, 1.0]), st.sampled_from([0.0, 0.3, 0.56]))


@given(RULES, RULES, MOTIONS)
def test_rules_equal_those_set_always(
    before: tuple[int, float, float], after: tuple[int, float, float], motions: list[float]
) -> None:
    changed, lasting = Watched(), Watched()
    for seq, motion in enumerate(motions):
        said = changed.decide(RulesStrategy(*(before if seq < 15 else after)), motion)
        wanted = lasting.decide(RulesStrategy(*after), motion)
        assert seq < 15 or said == wanted


THRESHOLDS = st.sampled_from([0.0, 4.0, 20.0, 90.0, 255.0])


@given(st.lists(THRESHOLDS, min_size=80, max_size=80), MOTIONS)
def test_scene_follows_its_last_setting(thresholds: list[float], motions: list[float]) -> None:
    watched = Watched()
    for threshold, motion in zip(thresholds, motions, strict=False):
        since = watched.spoke[-1] + 1 if watched.spoke else 0
        change = max([motion * 255, *(chunk.motion * 255 for chunk in watched.chunks[since:])])
        wanted = not watched.spoke or change >= threshold
        assert watched.decide(SceneStrategy(threshold), motion) == wanted


PICTURES = st.lists(st.integers(0, 255), min_size=20, max_size=60)


@given(st.lists(THRESHOLDS, min_size=60, max_size=60), PICTURES)
def test_scene_compares_with_last_inferred_look(thresholds: list[float], levels: list[int]) -> None:
    state, inferred = DeciderState(run="r1"), None
    for seq, (threshold, level) in enumerate(zip(thresholds, levels, strict=False)):
        look = replace(make(seq), look="stride", thumbnail=bytes([level]) * 12)
        decision = Decider(OPEN, SceneStrategy(threshold)).decide(look, state, prompt="p")
        state = state_from(state_bytes(decision.state))
        assert decision.speak == (inferred is None or abs(level - inferred) >= threshold)
        inferred = level if decision.speak else inferred


def test_look_after_an_instruction_stands_for_the_answered_one() -> None:
    """The answer to a new instruction is about a look whose small picture is gone; slow drift is seen all the same."""
    strategy, said = SceneStrategy(20.0), []
    state = DeciderState(run="r1", strategy="scene", prompt="p", made_from=strategy.made_from, memory={"change": 0.0})
    for seq, level in enumerate((100, 108, 116, 124, 132)):
        look = replace(make(seq), look="stride", thumbnail=bytes([level]) * 12)
        decision = Decider(OPEN, strategy).decide(look, state, prompt="p")
        state, said = decision.state, [*said, decision.speak]
    assert said == [False, False, False, True, False]


class StepHead:
    """Praises at every `every`-th step of its own; its state is the number of steps."""

    feature_size = 4

    def __init__(self, every: int) -> None:
        self.every = every

    def step(self, features: NDArray[np.float32], state: HeadState | None) -> tuple[NDArray[np.float32], HeadState]:
        steps = (np.zeros(1, np.float32) if state is None else state) + 1
        praise = int(steps[0]) % self.every == 0
        return np.array([1 - praise, praise, 0], np.float32), steps


@given(st.integers(2, 5), st.integers(2, 5), st.integers(0, 9))
def test_another_head_begins_without_state(before: int, after: int, chunks: int) -> None:
    watched = Watched()
    for _ in range(chunks):
        watched.decide(HeadStrategy(StepHead(before), made_from="head=/a"))
    said = [watched.decide(HeadStrategy(StepHead(after), made_from="head=/b")) for _ in range(12)]
    assert said == [step % after == 0 for step in range(1, 13)]


def test_default_head_is_another_setting() -> None:
    watched = Watched()
    watched.decide(HeadStrategy(StepHead(2), made_from="head=/a"))
    assert not watched.decide(HeadStrategy(StepHead(2), made_from="head="))


PROPOSALS = st.builds(
    Proposal,
    st.sampled_from(["next", "feedback", "feedback", "correct"]),
    st.sampled_from([0.2, 0.5, 0.6, 0.8, 1.0]),
    st.just("seen"),
    cue=st.booleans(),
)
LIMITS = st.builds(
    SpeakSettings,
    min_interval_s=st.sampled_from([0.0, 1.0, 3.0]),
    repeat_window_s=st.sampled_from([0.0, 2.0, 10.0, 1e6]),
    confidence_threshold=st.sampled_from([0.0, 0.55, 0.75]),
)


def gate_oracle(
    history: list[tuple[float, Proposal, bool]], pts_s: float, now: Proposal, limits: SpeakSettings
) -> bool:
    """Whether a proposal passes, from everything that was proposed and passed before it."""
    if now.action == "next" or now.confidence < limits.confidence_threshold:
        return False
    passed = [i for i, (_, _, did) in enumerate(history) if did]
    if passed and pts_s - history[passed[-1]][0] < limits.min_interval_s:
        return False
    same = [i for i in passed if history[i][1].action == now.action]
    if not now.cue or not same or not history[same[-1]][1].cue:
        return True
    lasts = all(
        each.action == now.action and each.confidence >= limits.confidence_threshold
        for _, each, _ in history[same[-1] :]
    )
    return not (lasts and pts_s - history[same[-1]][0] < limits.repeat_window_s)


@given(st.lists(st.tuples(PROPOSALS, LIMITS), max_size=60))
def test_gate_follows_its_last_limits(steps: list[tuple[Proposal, SpeakSettings]]) -> None:
    state, history = GateState(), list[tuple[float, Proposal, bool]]()
    for seq, (proposal, limits) in enumerate(steps):
        pts_s = seq * CHUNK_S
        verdict = pass_gate(proposal, pts_s, limits, state, request_open=False)
        stored = state_from(state_bytes(DeciderState(gate=verdict.state)))
        state = stored.gate
        assert state == verdict.state
        passed = verdict.action != "next"
        assert passed == gate_oracle(history, pts_s, proposal, limits)
        history.append((pts_s, proposal, passed))


def older(**gate: Any) -> bytes:
    """A state as the first version stored it."""
    body = unpack_map(state_bytes(DeciderState(run="r1")))
    del body["made_from"], body["cue_floors"]
    body["gate"] = {**body["gate"], **gate}
    return pack_map(body)


def test_older_gate_is_read() -> None:
    state = state_from(older(praised_at_s=2.0, spoke_at_s=2.0, praise_lasts=True))
    assert state.gate == GateState(2.0, 2.0, None, praise_floor=1.0)
    assert state.made_from is None


def test_older_version_reads_our_gate() -> None:
    body = unpack_map(state_bytes(DeciderState(gate=GateState(2.0, 2.0, None, praise_floor=0.6))))
    names = {"spoke_at_s", "praised_at_s", "corrected_at_s", "praise_lasts", "correction_lasts"}
    assert set(body["gate"]) == names
    assert (body["gate"]["praise_lasts"], body["gate"]["correction_lasts"]) == (True, False)


MAKE: dict[str, Callable[[], Strategy]] = {
    "interval": lambda: IntervalStrategy(1.0),
    "rules": lambda: RulesStrategy(5, 0.7, 0.56),
    "scene": lambda: SceneStrategy(5.0),
}


@pytest.mark.parametrize("name", MAKE)
def test_memory_of_older_version_lasts(name: str) -> None:
    watched = Watched()
    for _ in range(9):
        watched.decide(MAKE[name]())
    body = unpack_map(state_bytes(watched.state))
    del body["made_from"]
    back = state_from(pack_map(body))
    with_memory = Decider(OPEN, MAKE[name]()).decide(make(9), back, prompt="p")
    assert with_memory.speak == Decider(OPEN, MAKE[name]()).decide(make(9), watched.state, prompt="p").speak
