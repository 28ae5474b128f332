"""A repetition beside the person's own earlier ones of an exercise: less deep or quicker than usual. Pure.

What breaks the habit does not become the habit: such a repetition is not remembered for what it breaks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.measures import DURATION, travel_of
from cornerman_pose.movements import FormRule, movements

EARLIER: Final = 2
"""So many repetitions tell what is usual."""

KEPT: Final = 12
"""Repetitions that are remembered."""

_LEAST: Final = 0.2
"""A smaller share of the usual travel is no repetition but a false end."""

_WIDTH: Final = 0.05
"""Shares within this of a rule's `own` are doubtful."""

_STEADY: Final = 1.45
"""Times that differ by more than this factor are no usual tempo, so none is too quick beside them."""

BROKEN: Final = 0.5
"""Probability from which a rule counts as broken beside the earlier repetitions."""


@dataclass(slots=True)
class Habit:
    """Travel (in the unit of the exercise's channel) and seconds of the repetitions so far, the newest last."""

    travel: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def probability(self, rule: FormRule, travel: float, seconds: float) -> float:
        """How probable it is that a repetition breaks a rule when compared with the earlier ones; 0 when unknown."""
        before, value = (self.seconds, seconds) if rule.measure == DURATION else (self.travel, travel)
        if not rule.own or len(before) < EARLIER:
            return 0.0
        low, high = np.percentile(before, (20, 80)) if len(before) > EARLIER else (min(before), max(before))
        if rule.measure == DURATION and high > _STEADY * max(low, 1e-6):
            return 0.0
        share = value / max(float(np.percentile(before, 60)), 1e-6)
        if share < _LEAST:
            return 0.0
        return 1.0 / (1.0 + float(np.exp(-np.clip((rule.own - share) / _WIDTH, -30, 30))))

    def add(self, travel: float, seconds: float, shallow: bool = False, quick: bool = False) -> None:
        """Remember a repetition: its travel unless it was `shallow`, its time unless it was `quick` or shallow."""
        if not shallow:
            self.travel = [*self.travel, travel][-KEPT:]
        if not shallow and not quick:
            self.seconds = [*self.seconds, seconds][-KEPT:]

    @classmethod
    def of(cls, travel: object, seconds: object) -> Habit:
        """From what was remembered; empty when it is not two lists of numbers."""
        if not isinstance(travel, list) or not isinstance(seconds, list):
            return cls()
        return cls([float(v) for v in travel], [float(v) for v in seconds])


def travel(exercise: str, rows: NDArray[np.float64]) -> float:
    """How far a repetition went, from its channels [T, channels]; 0 for an exercise that is held."""
    channel = next((m.travel for m in movements() if m.name == exercise), "")
    return travel_of(channel, rows) if channel else 0.0
