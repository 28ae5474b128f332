"""Action probabilities of a run through the product's gate, to choose thresholds and to evaluate without services."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cornerman_common.gate import Action, GateState, Proposal, pass_gate

NEXT, FEEDBACK, CORRECT = 0, 1, 2
ACTIONS: tuple[Action, ...] = ("next", "feedback", "correct")


@dataclass(frozen=True, slots=True)
class _Limits:
    confidence_threshold: float
    min_interval_s: float
    repeat_window_s: float


def gated_actions(
    probabilities: NDArray[np.float32],
    pts_s: Sequence[float] | NDArray[np.float32],
    threshold: float,
    min_interval_s: float,
    repeat_window_s: float,
) -> list[tuple[float, int]]:
    """Chunks whose likeliest action passes the gate, as (media time in seconds, action).

    Args:
        probabilities: [C, 3] of next, feedback, correct.
        pts_s: [C] media times, seconds.
        threshold: least probability of an action.
        min_interval_s: least seconds between two feedbacks.
        repeat_window_s: seconds in which a lasting detection counts once.
    """
    limits = _Limits(threshold, min_interval_s, repeat_window_s)
    state, out = GateState(), []
    for row, action, time in zip(probabilities, probabilities.argmax(1).tolist(), pts_s, strict=True):
        proposal = Proposal(ACTIONS[action], float(row[action]), "head", cue=action != NEXT)
        verdict = pass_gate(proposal, float(time), limits, state, request_open=False)
        state = verdict.state
        if verdict.action != "next":
            out.append((float(time), action))
    return out
