"""Gate on the media clock: which proposals to speak become feedback. Pure; the decider and training share it.

In order: confidence, repeats (praise and correction apart), the minimum interval, and one open request at a time.
Thresholds are chosen in training with the rule that applies them to a live source.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from cornerman_common.gate_settings import GateSettings

Action: TypeAlias = Literal["next", "feedback", "correct"]
"""The three actions of a decision, as on the bus."""

SLACK_S = 1e-6
"""Tolerance of comparisons of media times: they are sums of floats, so an interval may come out this much short."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """The action that a strategy proposes for a chunk.

    `cue` marks evidence that can last over many chunks (motion, a visible mistake). A lasting cue passes once; it
    passes again after a chunk without it, or when the repeat window is over. A schedule is not a cue.
    """

    action: Action
    confidence: float
    reason: str
    cue: bool = False
    change: float = 0.0


@dataclass(frozen=True, slots=True)
class GateState:
    """Memory of the gate for one source: what happened, never what followed from a threshold.

    Limits apply when it is read, so a changed limit counts at once.

    Attributes:
        spoke_at_s: media time of what passed last, seconds; None = not yet in this run.
        praised_at_s: of the last praise.
        corrected_at_s: of the last correction.
        praise_floor: least confidence of the cue in every chunk since it was praised; None = a chunk lacked it.
        correction_floor: the same of a correction.
    """

    spoke_at_s: float | None = None
    praised_at_s: float | None = None
    corrected_at_s: float | None = None
    praise_floor: float | None = None
    correction_floor: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The action after the gate, its reason, and the new memory of the gate."""

    action: Action
    reason: str
    state: GateState


def pass_gate(proposal: Proposal, pts_s: float, limits: GateSettings, state: GateState, request_open: bool) -> Verdict:
    """Lets a proposal through, or turns it into `next` with the reason.

    Args:
        proposal: for the chunk at media time `pts_s`, seconds.
        limits: threshold, minimum interval and repeat window.
        state: memory after the chunk before.
        request_open: a request of this source is still being answered.
    """
    certain = proposal.action != "next" and proposal.confidence >= limits.confidence_threshold
    # A cue ends as soon as one chunk lacks it, also while something else forbids to speak.
    state = replace(
        state,
        praise_floor=_lower(state.praise_floor, proposal, "feedback"),
        correction_floor=_lower(state.correction_floor, proposal, "correct"),
    )
    if proposal.action == "next":
        return Verdict("next", proposal.reason, state)
    if not certain:
        return Verdict("next", "below_threshold", state)
    if proposal.cue and _is_repeat(proposal.action, pts_s, limits, state):
        return Verdict("next", "repeat", state)
    if state.spoke_at_s is not None and pts_s - state.spoke_at_s < limits.min_interval_s - SLACK_S:
        return Verdict("next", "min_interval", state)
    if request_open:
        return Verdict("next", "request_open", state)
    floor = proposal.confidence if proposal.cue else None
    if proposal.action == "feedback":
        state = replace(state, spoke_at_s=pts_s, praised_at_s=pts_s, praise_floor=floor)
    else:
        state = replace(state, spoke_at_s=pts_s, corrected_at_s=pts_s, correction_floor=floor)
    return Verdict(proposal.action, proposal.reason, state)


def _lower(floor: float | None, proposal: Proposal, action: Action) -> float | None:
    """The floor of a cue after one more chunk."""
    return None if floor is None or proposal.action != action else min(floor, proposal.confidence)


def _is_repeat(action: Action, pts_s: float, limits: GateSettings, state: GateState) -> bool:
    floor, passed_at_s = (
        (state.praise_floor, state.praised_at_s)
        if action == "feedback"
        else (state.correction_floor, state.corrected_at_s)
    )
    lasts = floor is not None and floor >= limits.confidence_threshold
    return lasts and passed_at_s is not None and pts_s - passed_at_s < limits.repeat_window_s - SLACK_S
