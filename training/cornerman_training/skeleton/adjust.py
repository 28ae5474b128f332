"""Moves the thresholds of mistakes, as `tune --adjust` does it. Pure.

`tune` begins from plain thresholds and weighs all goals softly on half of the labelled people. This goes on from the
thresholds of the table and counts exactly what would be named: a step is taken if it brings more right mistakes, or
fewer false ones, of rendered and of drawn sessions, and does not cost a demand of `coach_gate` on people. It looks at
all labelled people, so nothing that it reaches on them is held out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.habit import BROKEN
from cornerman_training.skeleton.demands import MADE, PEOPLE, Bound
from cornerman_training.skeleton.thresholds import BRINGS, DECIDE, PAST, Evidence, SeenClip, allowed

Floats = NDArray[np.float64]

_GRID: Final = tuple(sorted({*DECIDE, 0.02, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.99}))
_SWEEPS: Final = 3
_MARGIN: Final = 0.01
"""How far inside its bound a demand counts as met."""

_ENOUGH: Final = 0.05

_GUARDED: Final[Mapping[str, Bound]] = {"squats right": ("most", 0.13)}
"""What the gate does not demand and must not get worse all the same."""

_MISSED: Final = 400.0
_SPARE: Final = 20.0
_FAR: Final = 0.5
"""What a demand missed by 1 costs, one met by 1 more brings, and a threshold moved by one unit costs, beside 1 for each
hundredth of the mistakes of sessions."""

_NEVER: Final = -9.2
"""Log probability of silence where a mistake is named."""


def demands() -> dict[str, Bound]:
    """The demands of the gate on people by the names that `thresholds.gather` gives the rates."""
    known = {"mistake_named_of_wrong": "wrong", "mistake_named_of_right": "right"}
    bounds = {f"{group} {known[score]}": bound for (group, score), bound in PEOPLE.items() if score in known}
    bounds["clips false a minute"] = PEOPLE[".", "false_corrections_per_min"]
    return bounds


def bound_of(name: str) -> Bound | None:
    """What is demanded of a rate; None for one of which nothing is."""
    kind, _, _ = name.partition(" ")
    made = {"made": MADE["named"], "untouched": MADE["named_of_untouched"]}
    return made.get(kind) or demands().get(name) or _GUARDED.get(name)


def standing(rates: Mapping[str, float]) -> tuple[float, float]:
    """The sum of what demands are missed by, and of how much more than met others are, `_ENOUGH` at most each."""
    missed = spare = 0.0
    for name, value in rates.items():
        if (bound := bound_of(name)) is not None:
            way, limit = bound
            ahead = (value - limit if way == "least" else limit - value) - _MARGIN
            missed += max(0.0, -ahead)
            spare += min(max(0.0, ahead), _ENOUGH)
    return missed, spare


def named(
    logit: Floats, past: Floats, beside: Floats, decide: Floats | float, least: Floats | float
) -> NDArray[np.bool_]:
    """Whether each rule is named on each repetition, as `repetitions` decides it."""
    sure = (logit > np.log(decide / (1 - np.asarray(decide)))) & (past > least)
    return sure | (beside > BROKEN)


@dataclass(frozen=True, slots=True)
class JudgedReps:
    """Repetitions [N] of sessions with known mistakes: evidence by rule [N, R], and the mistake made, -1 = none."""

    logit: Floats
    past: Floats
    beside: Floats
    truth: NDArray[np.int64]

    @classmethod
    def of(cls, clips: Sequence[SeenClip]) -> JudgedReps:
        """Those of clips of the gym."""
        reps = [rep for clip in clips for rep in clip.reps]
        logit, past, beside = (np.array([getattr(rep, name) for rep in reps]) for name in ("logit", "past", "beside"))
        return cls(logit, past, beside, np.array([rep.truth for rep in reps]))

    def strength(self, decide: Floats, least: Floats) -> Floats:
        """[N, R] probability of what is named, -1 elsewhere."""
        sure = named(self.logit, self.past, self.beside, decide, least)
        probability = np.maximum(np.nan_to_num(1.0 / (1.0 + np.exp(-self.logit))), self.beside)
        return np.where(sure, probability, -1.0)

    def merit(self, strength: Floats) -> float:
        """Right mistakes named first less false ones, in hundredths of those that were made."""
        right, false = self.counts(strength)
        return 100.0 * (right - false) / max(int((self.truth >= 0).sum()), 1)

    def counts(self, strength: Floats) -> tuple[int, int]:
        """How many repetitions are told their mistake, and how many something else."""
        found = strength > 0
        brought = (found.astype(np.float64) @ BRINGS) > 0
        order = np.where(found, strength - 10.0 * brought, -99.0).argmax(1)
        first = np.where(found.any(1), order, -1)
        right = (self.truth >= 0) & (first == self.truth)
        return int(right.sum()), int(((first >= 0) & (first != self.truth)).sum())


def silence_of(known: Evidence, decide: Floats, least: Floats) -> Floats:
    """[N, R] log probability that a rule is not named: all or nothing."""
    return np.where(named(known.logit, known.past, known.beside, decide, least), _NEVER, 0.0)


def adjust(known: Evidence, sessions: Sequence[JudgedReps], decide: Floats, least: Floats) -> tuple[Floats, Floats]:
    """Thresholds of every rule, gone on from those given.

    Args:
        known: of labelled people, as `gather` makes it.
        sessions: of the gym; each counts alike.
        decide: [R] least probabilities.
        least: [R] least excess past the limits.
    """
    decide, least = decide.copy(), least.copy()
    first = np.log(decide / (1 - decide)), least.copy()
    silence = silence_of(known, decide, least)
    strength = [one.strength(decide, least) for one in sessions]

    def worth(i: int, d: float, p: float) -> float:
        gained = sum(one.merit(s) for one, s in zip(sessions, strength, strict=True)) / max(len(sessions), 1)
        moved = abs(float(np.log(d / (1 - d)) - first[0][i])) + min(abs(p - float(first[1][i])), 3.0)
        missed, spare = standing(known.rates(silence))
        return gained - _MISSED * missed + _SPARE * spare - _FAR * moved

    def put(i: int, d: float, p: float) -> None:
        silence[:, i] = np.where(named(known.logit[:, i], known.past[:, i], known.beside[:, i], d, p), _NEVER, 0.0)
        for one, s in zip(sessions, strength, strict=True):
            column = JudgedReps(one.logit[:, [i]], one.past[:, [i]], one.beside[:, [i]], one.truth)
            s[:, i] = column.strength(np.array([d]), np.array([p]))[:, 0]

    for _ in range(_SWEEPS):
        moved = False
        for i in range(len(decide)):
            before = float(decide[i]), float(least[i])
            best = (worth(i, *before), *before)
            for d, p in _steps():
                put(i, d, p)
                best = max(best, (worth(i, d, p), d, p))
            _, decide[i], least[i] = best
            put(i, float(decide[i]), float(least[i]))
            moved = moved or (decide[i], least[i]) != before
        if not moved:
            break
    return decide, least


def _steps() -> Iterator[tuple[float, float]]:
    return ((d, p) for d in _GRID for p in PAST if allowed(d, p))
