"""The temporal F-score: matches true and given feedbacks by time. Pure.

As in the QEVD / Stream-VLM evaluation: for each true feedback in order, the nearest prediction (first on ties)
matches if it is less than half a window away, has text, and comes after the prediction matched last. Precision
is the same with the roles exchanged; counts are pooled over sessions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WINDOW_S = 3.0
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Counts:
    """Pooled counts; add them up over sessions."""

    truth: int = 0
    predicted: int = 0
    matched_truth: int = 0
    matched_predicted: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.truth + other.truth,
            self.predicted + other.predicted,
            self.matched_truth + other.matched_truth,
            self.matched_predicted + other.matched_predicted,
        )

    @property
    def recall(self) -> float:
        """Share of true feedbacks that were matched."""
        return self.matched_truth / (self.truth + _TINY)

    @property
    def precision(self) -> float:
        """Share of given feedbacks that match a true one."""
        return self.matched_predicted / (self.predicted + _TINY)

    @property
    def f_score(self) -> float:
        """Harmonic mean of both; the tiny term, against division by zero, is the reference's."""
        p, r = self.precision, self.recall
        return 2 * p * r / (p + r + _TINY)


def match(
    anchors: Sequence[float],
    candidates: Sequence[float],
    candidate_texts: Sequence[str],
    window_s: float = WINDOW_S,
) -> list[tuple[int, int]]:
    """Pairs (anchor, candidate), each candidate later than the one matched before."""
    pairs: list[tuple[int, int]] = []
    last = -1
    for i, time in enumerate(anchors):
        if not candidates:
            continue
        j = min(range(len(candidates)), key=lambda k: (abs(candidates[k] - time), k))
        # `j > last`: a prediction matches once, and matches are in order.
        if abs(candidates[j] - time) < window_s / 2 and candidate_texts[j].strip() and j > last:
            pairs.append((i, j))
            last = j
    return pairs


def count(
    truth: Sequence[float],
    predicted: Sequence[float],
    truth_texts: Sequence[str],
    predicted_texts: Sequence[str],
    window_s: float = WINDOW_S,
) -> Counts:
    """Counts of one session."""
    return Counts(
        truth=len(truth),
        predicted=len(predicted),
        matched_truth=len(match(truth, predicted, predicted_texts, window_s)),
        matched_predicted=len(match(predicted, truth, truth_texts, window_s)),
    )
