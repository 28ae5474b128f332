"""How sure an own exercise is: how alike its repetitions are, and how far a mistake is from the right ones. Pure."""

from __future__ import annotations

from collections.abc import Set
from typing import Final

import numpy as np

from cornerman_pose.body_parts import PARTS
from cornerman_pose.taught.exercise import Prototype
from cornerman_pose.taught.metric import learning_weights

UNEVEN: Final = 0.5
"""Repetitions that are less alike are uneven."""

HARDLY: Final = 1.3
"""A mistake that is less far from right repetitions is hard to tell."""

_ENOUGH: Final = 4
_TOLD: Final = 0.8


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


def doubts_of_repetitions(prototype: Prototype, parts: Set[str], counted: int) -> tuple[str, ...]:
    """Doubts about the repetitions of an example, each with its remedy.

    Args:
        prototype: of the repetitions.
        parts: of the body that were in view.
        counted: repetitions that are counted when the example is watched again.
    """
    out = []
    if prototype.repetitions < _ENOUGH:
        out.append(f"it was learned from {prototype.repetitions} repetitions; show five, so that chance counts less")
    if (even := alike(prototype)) < UNEVEN:
        out.append(f"the repetitions are uneven ({even:.2f} alike, of 1); show five that are done the same way")
    if unseen := [name for name in PARTS if name not in parts]:
        out.append(
            f"not in view most of the time: {', '.join(unseen)}; step back until the whole body is in the picture"
        )
    if abs(counted - prototype.repetitions) > 1:
        out.append(
            f"watched again, {counted} of its {prototype.repetitions} repetitions are counted; show them larger, one "
            "like the other, seen from the front or obliquely"
        )
    return tuple(out)


def doubts_of_mistake(good: Prototype, wrong: Prototype, told: int, shown: int) -> tuple[str, ...]:
    """Doubts about a mistake, each with its remedy.

    Args:
        good: right repetitions.
        wrong: the mistake.
        told: repetitions that were shown and are told right by what the others teach.
        shown: repetitions that were tried so.
    """
    out = []
    if (far := apart(good, wrong)) < HARDLY:
        out.append(
            f"the mistake hardly differs from right repetitions ({far:.1f} of their own spread); do it larger, or "
            "film it from where it shows"
        )
    if told < _TOLD * shown:
        out.append(
            f"of {shown} repetitions shown, it tells {told} right by the others; show the mistake clearly in each "
            "repetition, and do all else as in the right ones"
        )
    return tuple(out)
