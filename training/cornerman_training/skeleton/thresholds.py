"""Which thresholds of mistakes come nearest to what is demanded, from the evidence of repetitions.

Names are soft here: evidence close to a threshold counts in part, so that no single repetition decides where one lies.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.movements import form_rules

Floats = NDArray[np.float64]

DECIDE: Final = (0.01, 0.03, 0.06, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
PAST: Final = (-99.0, -4.0, -3.0, -2.0, *(float(v) for v in np.arange(-1.5, 2.51, 0.25)), 3.0, 3.5, 4.0, 5.0)
"""The lowest bars nothing."""
LIKELY: Final = 0.4
SHOWN: Final = 0.5
"""A mistake less probable than `LIKELY` is named only where it is measured, past its limit by so many greys."""

SURE: Final = 0.7
GAINSAID: Final = -2.0
"""What the landmarks gainsay by more greys is named only when it is as probable as `SURE`."""

_SOFT_LOGIT, _SOFT_PAST = 0.6, 0.35
_SWEEPS: Final = 3
_FAR: Final = 3.0
_PULL: Final = 0.005
"""Costs of a threshold away from the plain one (one half, at the limit), which holds where nothing speaks."""

# Share or rate that is wanted (stricter than the gate's, as other people differ), what a shortfall is measured in, and
# how much it counts.
GOALS: Final[dict[str, tuple[str, float, float, float]]] = {
    "clips false a minute": ("most", 0.04, 0.3, 3.0),
    "push_ups wrong": ("least", 0.85, 0.2, 1.0), "push_ups right": ("most", 0.04, 0.08, 1.2),
    "mocap wrong": ("least", 0.8, 0.2, 1.0), "mocap right": ("most", 0.12, 0.08, 1.0),
    "deadlifts wrong": ("least", 0.8, 0.2, 0.7), "deadlifts right": ("most", 0.12, 0.12, 1.0),
    "squats right": ("most", 0.1, 0.15, 0.5),
    "gym right mistake": ("least", 0.95, 0.04, 1.3), "gym false a minute": ("most", 0.15, 0.2, 1.3),
}  # fmt: skip
_MADE: Final = ("least", 0.85, 0.2, 0.6)
_UNTOUCHED: Final = ("most", 0.05, 0.1, 0.6)


BRINGS: Final = np.array(
    [[one.exercise == rule.exercise and one.name in rule.brings for one in form_rules()] for rule in form_rules()]
)
"""[R, R] whether the first brings the second with it, which is then named later."""


def _soft(x: Floats) -> Floats:
    """From 0 to 1 round 0."""
    out: Floats = 1.0 / (1.0 + np.exp(-np.clip(x, -30, 30)))
    return out


@dataclass(slots=True)
class SeenRep:
    """Evidence of one repetition by rule [R]: `logit` and `past`, NaN where not judged, and `beside`.

    `truth` is the index of the mistake that was made, -1 of a good one, -2 unknown; `names` [R] are the rules that
    would name it.
    """

    logit: Floats
    past: Floats
    beside: Floats
    truth: int = -2
    names: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(len(form_rules()), dtype=np.bool_))


@dataclass(slots=True)
class SeenClip:
    """One clip or session: `kind` is its set, "made KIND", "untouched KIND" or "gym"; `due` repetitions were there."""

    kind: str
    group: str
    verdict: str
    minutes: float
    reps: list[SeenRep]
    due: int = 0


@dataclass(slots=True)
class Term:
    """A rate: the weighted sum over groups of the share that is named; rows [K] of all repetitions, their group."""

    name: str
    rows: NDArray[np.int64]
    group: NDArray[np.int64]
    weight: Floats
    only: NDArray[np.bool_] | None = None

    def value(self, silent: Floats) -> float:
        """Of log probabilities of silence by repetition and rule [N, R]."""
        part = silent[self.rows] if self.only is None else silent[self.rows] * self.only
        quiet = np.bincount(self.group, part.sum(1), minlength=len(self.weight))
        return float(self.weight @ (1.0 - np.exp(quiet)))


@dataclass(slots=True)
class Evidence:
    """All repetitions [N, R], and the rates of them that count."""

    logit: Floats
    past: Floats
    beside: Floats
    terms: list[Term]
    faulty: NDArray[np.int64]  # rows with a known mistake
    made: NDArray[np.int64]  # which one it is
    due: int

    def silent(self, decide: Floats, past: Floats) -> Floats:
        """[N, R] log probability that a rule is not named; the arguments are by rule, or one column of each."""
        threshold = np.log(decide / (1 - decide))
        x = (self.logit - threshold) / _SOFT_LOGIT
        y = (self.past - past) / _SOFT_PAST
        named = _soft(x) * _soft(y)
        named = np.maximum(np.nan_to_num(named), self.beside)
        out: Floats = np.log(np.maximum(1.0 - named, 1e-4))
        return out

    def rates(self, silent: Floats) -> dict[str, float]:
        """Every rate by name."""
        out = {term.name: term.value(silent) for term in self.terms}
        if len(self.faulty):
            rows = silent[self.faulty]
            own = np.log(np.maximum(1 - np.exp(rows[np.arange(len(rows)), self.made]), 1e-6))
            mine = np.nan_to_num(self.logit[self.faulty, self.made], nan=-99.0)
            before = np.nan_to_num(self.logit[self.faulty], nan=-99.0) > mine[:, None]
            before = (before | BRINGS.T[self.made]) & ~BRINGS[self.made]
            out["gym right mistake"] = float(np.exp(own + (rows * before).sum(1)).sum()) / max(self.due, 1)
        return out


def gather(clips: Sequence[SeenClip]) -> Evidence:
    """Evidence of all clips, and the rates that can be had from them."""
    reps = [rep for clip in clips for rep in clip.reps]
    starts = np.cumsum([0, *(len(clip.reps) for clip in clips)])
    terms: list[Term] = []

    def by_clip(name: str, chosen: list[int]) -> None:
        takes: dict[str, int] = {}
        for c in chosen:
            takes[clips[c].group] = takes.get(clips[c].group, 0) + 1
        if chosen:
            rows = np.concatenate([np.arange(starts[c], starts[c + 1]) for c in chosen])
            group = np.concatenate([np.full(len(clips[c].reps), k) for k, c in enumerate(chosen)])
            weight = np.array([1.0 / takes[clips[c].group] / len(takes) for c in chosen])
            terms.append(Term(name, rows, group.astype(np.int64), weight))

    def by_rep(name: str, rows: NDArray[np.int64], of: float, only: NDArray[np.bool_] | None = None) -> None:
        terms.append(Term(name, rows, np.arange(len(rows)), np.full(len(rows), 1.0 / max(of, 1e-6)), only))

    def at(test: list[bool]) -> NDArray[np.int64]:
        return np.flatnonzero(np.repeat(test, [len(clip.reps) for clip in clips]))

    for name in ("push_ups", "mocap", "deadlifts", "squats"):
        for verdict, label in (("mistake", "wrong"), ("good", "right")):
            by_clip(
                f"{name} {label}", [i for i, clip in enumerate(clips) if clip.kind == name and clip.verdict == verdict]
            )
    own = [clip.kind == "." for clip in clips]
    right = [mine and clip.verdict in ("good", "quiet", "none") for mine, clip in zip(own, clips, strict=True)]
    by_rep("clips false a minute", at(right), sum(c.minutes for c, mine in zip(clips, own, strict=True) if mine))
    for kind in sorted({clip.kind for clip in clips if clip.kind.startswith(("made ", "untouched "))}):
        rows = at([clip.kind == kind for clip in clips])
        only = np.array([reps[i].names for i in rows]).reshape(len(rows), -1)
        by_rep(kind, rows, sum(clip.due for clip in clips if clip.kind == kind), only)
    truth = np.array([rep.truth for rep in reps])
    gyms = at([clip.kind == "gym" for clip in clips])
    minutes = sum(clip.minutes for clip in clips if clip.kind == "gym")
    by_rep("gym false a minute", gyms[truth[gyms] == -1], minutes)
    faulty = gyms[truth[gyms] >= 0]
    stacked = (np.array([getattr(rep, name) for rep in reps]) for name in ("logit", "past", "beside"))
    logit, past, beside = stacked
    return Evidence(logit, past, np.where(beside > 0.5, 0.97, 0.0), terms, faulty, truth[faulty], len(faulty))


def merit(rates: dict[str, float]) -> float:
    """How near the rates come to the goals; 0 when all are met, and a little more beyond."""
    total = 0.0
    for name, value in rates.items():
        made, untouched = name.startswith("made "), name.startswith("untouched ")
        goal = _MADE if made else _UNTOUCHED if untouched else GOALS.get(name)
        if goal is None:
            continue
        way, limit, unit, weight = goal
        ahead = (value - limit if way == "least" else limit - value) / unit
        total += weight * (min(ahead, 0.0) + 0.05 * min(max(ahead, 0.0), 1.0))
    return total


def allowed(decide: float, past: float) -> bool:
    """Whether a rule may have these thresholds: neither the net nor the landmarks alone decide on little."""
    return past >= SHOWN if decide < LIKELY else past >= GAINSAID or decide >= SURE


def tune(evidence: Evidence) -> tuple[Floats, Floats, dict[str, float]]:
    """Thresholds (`decide`, `past`) by rule, rule after rule in turns, and the rates that they give."""
    count = evidence.logit.shape[1]
    decide, past = np.full(count, 0.5), np.zeros(count)
    seen = [i for i in range(count) if np.isfinite(evidence.logit[:, i]).any()]
    silent = evidence.silent(decide, past)
    for _ in range(_SWEEPS):
        for i in seen:
            best = (-np.inf, decide[i], past[i])
            parts = (evidence.logit[:, [i]], evidence.past[:, [i]], evidence.beside[:, [i]])
            column = Evidence(*parts, [], evidence.faulty, evidence.made, 0)
            for d in DECIDE:
                for p in PAST:
                    if not allowed(d, p):
                        continue
                    silent[:, i] = column.silent(np.array([d]), np.array([p]))[:, 0]
                    pull = _PULL * (min(abs(p), _FAR) + abs(float(np.log(d / (1 - d)))))
                    best = max(best, (merit(evidence.rates(silent)) - pull, d, p))
            _, decide[i], past[i] = best
            silent[:, i] = column.silent(decide[[i]], past[[i]])[:, 0]
    return decide, past, evidence.rates(silent)


def write(decide: Floats, past: Floats, path: Path) -> None:
    """Put the thresholds into a table of movements."""
    table = json.loads(path.read_text(encoding="utf-8"))
    rows = [row for entry in table["exercises"].values() for row in entry["mistakes"]]
    for row, d, p in zip(rows, decide, past, strict=True):
        row["decide"], row["past"] = round(float(d), 3), round(float(p), 3)
    path.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
