"""The common gate: what every strategy's proposal must pass before a word is said. Pure, on the media clock.

In order: confidence, repeats (praise and correction apart), the minimum interval, and live the one open request.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cornerman_shared.bus.messages import Action
from cornerman_shared.settings.source import SpeakSettings

SLACK_S = 1e-6
"""Media times are sums of floats; an interval may come out this much short."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a strategy would do about a chunk.

    `cue` marks evidence that can last over many chunks (motion, a mistake being seen): it is said once while it
    lasts, and
    again when it was away in between or the repeat window is over. A schedule is not a cue.
    """

    action: Action
    confidence: float
    reason: str
    cue: bool = False
    change: float = 0.0


@dataclass(frozen=True, slots=True)
class GateState:
    """What the gate remembers of a source; media times, None = not yet in this run."""

    spoke_at_s: float | None = None
    praised_at_s: float | None = None
    corrected_at_s: float | None = None
    praise_lasts: bool = False
    correction_lasts: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The action after the gate, why, and what the gate remembers."""

    action: Action
    reason: str
    state: GateState


def pass_gate(proposal: Proposal, pts_s: float, speak: SpeakSettings, state: GateState, request_open: bool) -> Verdict:
    """Lets a proposal through, or turns it into `next` with the reason."""
    certain = proposal.action != "next" and proposal.confidence >= speak.confidence_threshold
    state = replace(
        state,
        praise_lasts=state.praise_lasts and certain and proposal.action == "feedback",
        correction_lasts=state.correction_lasts and certain and proposal.action == "correct",
    )
    if proposal.action == "next":
        return Verdict("next", proposal.reason, state)
    if not certain:
        return Verdict("next", "below_threshold", state)
    if proposal.cue and _is_repeat(proposal.action, pts_s, speak.repeat_window_s, state):
        return Verdict("next", "repeat", state)
    if state.spoke_at_s is not None and pts_s - state.spoke_at_s < speak.min_interval_s - SLACK_S:
        return Verdict("next", "min_interval", state)
    if request_open:
        return Verdict("next", "request_open", state)
    if proposal.action == "feedback":
        state = replace(state, spoke_at_s=pts_s, praised_at_s=pts_s, praise_lasts=proposal.cue)
    else:
        state = replace(state, spoke_at_s=pts_s, corrected_at_s=pts_s, correction_lasts=proposal.cue)
    return Verdict(proposal.action, proposal.reason, state)


def _is_repeat(action: Action, pts_s: float, window_s: float, state: GateState) -> bool:
    lasts, said_at_s = (
        (state.praise_lasts, state.praised_at_s)
        if action == "feedback"
        else (state.correction_lasts, state.corrected_at_s)
    )
    return lasts and said_at_s is not None and pts_s - said_at_s < window_s - SLACK_S
