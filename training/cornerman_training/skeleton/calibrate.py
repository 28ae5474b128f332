"""Turns evidence for mistakes into probabilities: a logistic fit per rule on sequences that the net has not seen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.evidence import moving_seconds, weigh
from cornerman_pose.movements import form_rules, movements
from cornerman_pose.reading import FrameReading, cut
from cornerman_pose.temporal import TemporalNet

if TYPE_CHECKING:
    from cornerman_training.skeleton.dataset import Examples

_HOLDS = {m.name for m in movements() if m.kind == "hold"}
_RIDGE = np.array([2.0, 4.0, 0.3])
_PRIOR = np.array([1.2, 0.3, -0.5])


def logistic(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights [3] of a ridge logistic regression by Newton's method; pulled towards a prior where examples are few."""
    w = _PRIOR.copy()
    for _ in range(25):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        gradient = x.T @ (p - y) + _RIDGE * (w - _PRIOR)
        hessian = (x * (p * (1 - p))[:, None]).T @ x + np.diag(_RIDGE)
        step = np.linalg.solve(hessian, gradient)
        w = w - step / max(1.0, float(np.abs(step).max()))
    return w


def _gather(
    net: TemporalNet, examples: Examples, n: int, rows: list[list[tuple[float, float, float]]], truth: list[list[float]]
) -> None:
    """Add the evidence of every repetition of sequence `n`, and whether the mistake was made."""
    reading = net.read(examples.features[n].astype(np.float32), net.start())
    excess, seen, phase, end = (
        examples.excess[n].astype(float),
        examples.observable[n],
        examples.phase[n],
        examples.end[n],
    )

    def add(moved: FrameReading, ended: FrameReading, at: int, hold: bool) -> None:
        seconds = moving_seconds(moved)
        for i, rule in enumerate(form_rules()):
            value = excess[at, i]
            if np.isnan(value) or abs(value) < 0.5 or not seen[at, i] or (rule.exercise in _HOLDS) != hold:
                continue
            evidence = weigh(rule, i, moved, ended, seconds)
            rows[i].append((evidence.excess, evidence.logit, 1.0))
            truth[i].append(float(value > 0))

    for last in map(int, np.flatnonzero(np.diff(np.concatenate([[0], end])) > 0) - 1):
        start = last
        while start > 0 and phase[start - 1, 2] > 0 and last - start < 90 and not end[start] > 0:
            start -= 1
        if last - start >= 2 and last + 2 < len(end):
            add(cut(reading, slice(start, last + 3)), cut(reading, slice(last + 1, last + 4)), last, False)
    for at in range(16, len(end), 16):
        add(cut(reading, slice(at - 16, at + 1)), cut(reading, slice(at - 12, at + 1)), at, True)


def calibrate(net: TemporalNet, fresh: Iterable[Examples]) -> tuple[NDArray[np.float32], dict[str, float]]:
    """Fit [R,3] on fresh sessions, which come in batches.

    Returns:
        The calibration, and by rule the area under the ROC curve on the same sessions.
    """
    rules = form_rules()
    rows: list[list[tuple[float, float, float]]] = [[] for _ in rules]
    truth: list[list[float]] = [[] for _ in rules]
    for examples in fresh:
        for n in range(len(examples.end)):
            _gather(net, examples, n, rows, truth)
    out = np.zeros((len(rules), 3), dtype=np.float32)
    areas: dict[str, float] = {}
    for i, rule in enumerate(rules):
        x, y = np.array(rows[i]).reshape(-1, 3), np.array(truth[i])
        out[i] = logistic(x, y)
        if 0 < y.sum() < len(y):
            order = np.argsort(np.argsort(x @ out[i]))
            areas[rule.key] = float((order[y > 0].mean() - (y.sum() - 1) / 2) / (len(y) - y.sum()))
    return out, areas
