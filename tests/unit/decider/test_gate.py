"""Proposals at the gate, on the media clock."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from cornerman_common.gate import GateState, Proposal, pass_gate
from cornerman_shared.bus.messages import Action
from cornerman_shared.settings.source import SpeakSettings

SPEAK = SpeakSettings()


def run(proposals: list[tuple[float, Proposal]], speak: SpeakSettings = SPEAK) -> list[tuple[Action, str]]:
    state, out = GateState(), []
    for pts_s, proposal in proposals:
        verdict = pass_gate(proposal, pts_s, speak, state, request_open=False)
        state = verdict.state
        out.append((verdict.action, verdict.reason))
    return out


def feedback(confidence: float = 1.0, *, cue: bool = False) -> Proposal:
    return Proposal("feedback", confidence, "seen", cue=cue)


def correct(confidence: float = 1.0, *, cue: bool = False) -> Proposal:
    return Proposal("correct", confidence, "seen", cue=cue)


def test_feedback_at_zero_starts_min_interval() -> None:
    outcome = run([(0.0, feedback()), (2.9, feedback()), (3.0, feedback())])
    assert outcome == [("feedback", "seen"), ("next", "min_interval"), ("feedback", "seen")]


def test_confidence_at_threshold_passes() -> None:
    assert run([(0.0, feedback(0.7499))]) == [("next", "below_threshold")]
    assert run([(0.0, correct(0.7499))]) == [("next", "below_threshold")]
    assert run([(0.0, correct(0.75))]) == [("correct", "seen")]


def test_lasting_cue_repeats_after_window() -> None:
    outcome = run([(t, correct(cue=True)) for t in (0.0, 4.0, 9.9, 10.0, 14.0)])
    assert [action for action, _ in outcome] == ["correct", "next", "next", "correct", "next"]
    assert outcome[1][1] == "repeat"


def test_interrupted_cue_passes_again() -> None:
    silence = Proposal("next", 1.0, "quiet")
    outcome = run([(0.0, correct(cue=True)), (2.0, silence), (4.0, correct(cue=True))])
    assert outcome[-1] == ("correct", "seen")
    doubt = run([(0.0, correct(cue=True)), (2.0, correct(0.3, cue=True)), (4.0, correct(cue=True))])
    assert doubt[-1] == ("correct", "seen")


def test_praise_does_not_repeat_correction() -> None:
    outcome = run([(0.0, correct(cue=True)), (4.0, feedback(cue=True)), (8.0, feedback(cue=True))])
    assert outcome == [("correct", "seen"), ("feedback", "seen"), ("next", "repeat")]


def test_schedule_is_not_a_repeat() -> None:
    assert [a for a, _ in run([(t, feedback()) for t in (0.0, 3.0, 6.0)])] == ["feedback"] * 3


def test_open_request_blocks_without_counting() -> None:
    verdict = pass_gate(feedback(), 5.0, SPEAK, GateState(), request_open=True)
    assert (verdict.action, verdict.reason) == ("next", "request_open")
    assert pass_gate(feedback(), 5.5, SPEAK, verdict.state, request_open=False).action == "feedback"


PROPOSALS = st.builds(
    Proposal,
    st.sampled_from(["next", "feedback", "correct"]),
    st.floats(0, 1),
    st.just("any"),
    cue=st.booleans(),
)


@given(
    st.lists(st.tuples(st.floats(0.001, 5.0), PROPOSALS, st.booleans()), max_size=60),
    st.floats(0, 10),
    st.floats(0, 1),
)
def test_gate_holds_interval_and_threshold(
    steps: list[tuple[float, Proposal, bool]], min_interval_s: float, threshold: float
) -> None:
    speak = SpeakSettings(min_interval_s=min_interval_s, confidence_threshold=threshold)
    state, now_s, spoken = GateState(), 0.0, []
    for wait_s, proposal, request_open in steps:
        now_s += wait_s
        verdict = pass_gate(proposal, now_s, speak, state, request_open)
        state = verdict.state
        if verdict.action != "next":
            assert verdict.action == proposal.action
            assert proposal.confidence >= threshold
            assert not request_open
            spoken.append(now_s)
    gaps = [later - earlier for earlier, later in itertools.pairwise(spoken)]
    assert all(gap >= min_interval_s - 1e-5 for gap in gaps)
