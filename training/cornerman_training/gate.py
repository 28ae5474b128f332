"""The decider's gate over a whole session, to choose thresholds and to evaluate without services. Pure, on media time.

An action passes if its probability reaches the threshold, it does not repeat a lasting detection, and the minimum
interval since the last feedback is over. A test compares it with `cornerman_decider.gate`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NEXT, FEEDBACK, CORRECT = 0, 1, 2


def gated_actions(
    probabilities: NDArray[np.float32],
    pts_s: Sequence[float] | NDArray[np.float32],
    threshold: float,
    min_interval_s: float,
    repeat_window_s: float,
) -> list[tuple[float, int]]:
    """The actions that pass, as (media time, action).

    Args:
        probabilities: [C, 3] of next, feedback, correct.
        pts_s: [C] media times.
        threshold: least probability of an action.
        min_interval_s: least seconds between two feedbacks.
        repeat_window_s: seconds in which a lasting detection counts once.
    """
    out: list[tuple[float, int]] = []
    passed_at = {FEEDBACK: -1e9, CORRECT: -1e9}
    lasts = {FEEDBACK: False, CORRECT: False}
    last_s = -1e9
    best = probabilities.argmax(1)
    for row, action, time in zip(probabilities, best.tolist(), pts_s, strict=True):
        certain = action != NEXT and row[action] >= threshold
        # A detection lasts while every chunk repeats it; one chunk without it ends it.
        for kind in (FEEDBACK, CORRECT):
            lasts[kind] = lasts[kind] and certain and action == kind
        if not certain:
            continue
        if lasts[action] and time - passed_at[action] < repeat_window_s:
            continue
        if time - last_s < min_interval_s - 1e-6:
            continue
        last_s = passed_at[action] = float(time)
        lasts[action] = True
        out.append((float(time), action))
    return out
