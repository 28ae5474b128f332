"""How sure an own exercise is: how alike its repetitions are, and how far a mistake is from the right ones. Pure."""

from __future__ import annotations

import numpy as np

from cornerman_pose.taught.exercise import Prototype
from cornerman_pose.taught.metric import learning_weights


def alike(prototype: Prototype) -> float:
    """How alike the repetitions of a prototype are: the part of their movement that they share, 0 to 1.

    It is the share of variance that the mean explains, R^2.
    """
    weights = learning_weights()
    shared = float(weights @ prototype.steps.var(0))
    own = float(weights @ np.square(prototype.spread))
    return shared / max(shared + own, 1e-12)


def apart(good: Prototype, wrong: Prototype) -> float:
    """How far a mistake is from the right repetitions, in standard deviations between repetitions of one kind."""
    weights = learning_weights()
    between = float(weights @ np.square(wrong.steps - good.steps).mean(0))
    within = float(weights @ (np.square(good.spread) + np.square(wrong.spread))) / 2
    return float(np.sqrt(between / max(within, 1e-12)))
