"""Context, blobs, runs and state of one source."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornerman_decider.core import Decider, Decision, abstain, skip_chunk
from cornerman_decider.requests import open_request, request_for
from cornerman_decider.state import (
    DeciderState,
    add_request,
    drop_ended_requests,
    has_open_feedback,
    new_run,
    question_context,
)
from cornerman_decider.state_codec import state_bytes, state_from
from cornerman_decider.strategies.interval import IntervalStrategy
from cornerman_decider.strategies.rules import RulesStrategy
from cornerman_decider.strategies.scene import SceneStrategy
from cornerman_decider.strategy import Strategy
from cornerman_shared.bus.messages import Features
from cornerman_shared.errors import MalformedError
from cornerman_shared.settings.source import SourceSpec, SpeakSettings

MakeFeatures = Callable[..., Features]
QUIET = RulesStrategy(1000, 1.0, 1.0)


def step(speak: SpeakSettings, strategy: Strategy, chunk: Features, state: DeciderState) -> Decision:
    return Decider(speak, strategy).decide(chunk, state, prompt="p")


def keys_of(chunks: Sequence[int]) -> set[str]:
    return {f"blob:r1:{seq}:{kind}" for seq in chunks for kind in ("context", "video")}


def test_context_keeps_newest_frees_older_blobs(features: MakeFeatures) -> None:
    speak, state = SpeakSettings(context_chunks=3), DeciderState(run="r1")
    for i in range(5):
        decision = step(speak, QUIET, features(i), state)
        state = decision.state
    assert [chunk.seq for chunk in state.context] == [2, 3, 4]
    assert {ref.key for ref in decision.free} == keys_of([1])


def test_context_drops_chunks_past_timeout(features: MakeFeatures) -> None:
    speak, state = SpeakSettings(context_chunks=8, context_timeout_s=2.0), DeciderState(run="r1")
    for i, pts_s in enumerate([0.0, 1.0, 5.0]):
        decision = step(speak, QUIET, features(i, pts_s), state)
        state = decision.state
    assert [chunk.seq for chunk in state.context] == [2]
    assert {ref.key for ref in decision.free} == keys_of([0, 1])


def test_feedback_clears_context_keeps_latest_chunk(
    features: MakeFeatures,
) -> None:
    speak, state = SpeakSettings(context_chunks=3), DeciderState(run="r1")
    strategy = RulesStrategy(3, 1.0, 1.0)
    for i in range(3):
        decision = step(speak, strategy, features(i), state)
        state = decision.state
    assert decision.speak
    assert [chunk.seq for chunk in decision.chunks] == [0, 1, 2]
    assert state.context == ()
    assert [chunk.seq for chunk in question_context(state)] == [2]
    assert decision.free == ()


def test_clear_context_off_keeps_context(features: MakeFeatures) -> None:
    speak = SpeakSettings(clear_context=False)
    decision = step(speak, IntervalStrategy(3.0), features(0), DeciderState(run="r1"))
    assert decision.speak
    assert [chunk.seq for chunk in decision.state.context] == [0]


def test_request_blobs_are_freed_at_end(features: MakeFeatures) -> None:
    spec = SourceSpec(source_id="cam", url="test://")
    decision = step(SpeakSettings(), IntervalStrategy(1000.0), features(0), DeciderState(run="r1"))
    request = request_for(features(0), decision, spec, None, 100.0)
    state = add_request(decision.state, open_request(request))
    assert has_open_feedback(state)
    freed: set[str] = set()
    for i in range(1, 6):
        decision = step(SpeakSettings(), IntervalStrategy(1000.0), features(i), state)
        state = decision.state
        freed |= {ref.key for ref in decision.free}
    assert freed == keys_of([1, 2])
    state, refs = drop_ended_requests(state, {request.request_id: 1})
    assert refs == ()
    state, refs = drop_ended_requests(state, {})
    assert {ref.key for ref in refs} == keys_of([0])
    assert not has_open_feedback(state)


def test_new_run_keeps_only_open_requests(features: MakeFeatures) -> None:
    spec = SourceSpec(source_id="cam", url="test://")
    decision = step(SpeakSettings(), IntervalStrategy(3.0), features(0), DeciderState(run="r1"))
    request = open_request(request_for(features(0), decision, spec, None, 100.0))
    state = new_run("r2", add_request(decision.state, request))
    assert (state.run, state.next_seq, state.context, state.gate.spoke_at_s) == ("r2", 0, (), None)
    assert state.open == (request,)


def test_skipped_chunk_is_silence_with_reason(features: MakeFeatures) -> None:
    before = DeciderState(run="r1", next_seq=4)
    decision = skip_chunk(4, before, "buried")
    assert (decision.action, decision.reason, decision.state.next_seq) == ("next", "buried", 5)
    abstained = abstain(features(4), before, SpeakSettings(), "strategy_failed")
    assert [chunk.seq for chunk in question_context(abstained.state)] == [4]
    assert (abstained.action, abstained.reason, abstained.speak) == ("next", "strategy_failed", False)


STRATEGIES: list[Callable[[], Strategy]] = [
    lambda: IntervalStrategy(1.7),
    lambda: RulesStrategy(4, 0.5, 0.4),
    lambda: SceneStrategy(30.0),
]


@given(
    st.integers(0, 2),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 3.0)), min_size=1, max_size=40),
    st.data(),
)
def test_saved_state_continues_identically(
    features: MakeFeatures, index: int, steps: list[tuple[float, float]], data: st.DataObject
) -> None:
    speak = SpeakSettings(min_interval_s=1.0)
    takeover = data.draw(st.integers(0, len(steps)))
    pts_s, alone, handed_over = 0.0, DeciderState(run="r1"), DeciderState(run="r1")
    first, second = STRATEGIES[index](), STRATEGIES[index]()
    for i, (motion, wait_s) in enumerate(steps):
        pts_s += wait_s
        chunk = features(i, pts_s, motion=motion)
        if i == takeover:
            handed_over = state_from(state_bytes(handed_over))
        one = step(speak, first, chunk, alone)
        two = step(speak, first if i < takeover else second, chunk, handed_over)
        alone, handed_over = one.state, two.state
        assert one == two


def test_state_with_arrays_round_trips(features: MakeFeatures) -> None:
    import numpy as np

    memory = {"state": np.arange(6, dtype=np.float32).reshape(2, 3), "n": 3, "x": 0.5, "list": [0.1, 0.2]}
    back = state_from(state_bytes(DeciderState(run="r", memory=memory, reported_error="why")))
    array = back.memory["state"]
    assert isinstance(array, np.ndarray)
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, memory["state"])
    assert {key: back.memory[key] for key in ("n", "x", "list")} == {"n": 3, "x": 0.5, "list": [0.1, 0.2]}


@pytest.mark.parametrize("data", [b"", b"\x81\xa1v\x02", b"\x81\xa1v\x01", b"\xff" * 9])
def test_other_bytes_are_malformed_state(data: bytes) -> None:
    with pytest.raises(MalformedError):
        state_from(data)
