"""The product's gate in miniature, to choose thresholds and to evaluate without services. Pure, on the media clock.

An action passes when its probability reaches the threshold, when it is not the same certainty still lasting, and when
enough time has gone since the last words.
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
    """(media time, action) of what passes.

    Args:
        probabilities: [C, 3] of next, feedback, correct.
        pts_s: [C] media times.
        threshold: least probability of an action.
        min_interval_s: least time between two.
        repeat_window_s: how long a lasting certainty counts as the same.
    """
    out: list[tuple[float, int]] = []
    said_at = {FEEDBACK: -1e9, CORRECT: -1e9}
    lasts = {FEEDBACK: False, CORRECT: False}
    spoke = -1e9
    best = probabilities.argmax(1)
    for row, action, time in zip(probabilities, best.tolist(), pts_s, strict=True):
        certain = action != NEXT and row[action] >= threshold
        for kind in (FEEDBACK, CORRECT):
            lasts[kind] = lasts[kind] and certain and action == kind
        if not certain:
            continue
        if lasts[action] and time - said_at[action] < repeat_window_s:
            continue
        if time - spoke < min_interval_s - 1e-6:
            continue
        spoke = said_at[action] = float(time)
        lasts[action] = True
        out.append((float(time), action))
    return out
