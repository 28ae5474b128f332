"""A repetition beside the person's own earlier ones of an exercise: less deep or quicker than usual. Pure.

What breaks the habit does not become the habit: such a repetition is not remembered for what it breaks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.channels import FPS
from cornerman_pose.measures import DURATION, beyond_half, travel_of
from cornerman_pose.movements import FormRule, movements

EARLIER: Final = 2
"""So many repetitions tell what is usual."""

KEPT: Final = 12
"""Repetitions that are remembered."""

_LEAST: Final = 0.2
"""A smaller share of the usual travel is no repetition but a false end."""

_DEEP: Final = 60
"""Percentile of the earlier travels that one is compared with."""

_WIDTH: Final = 0.05
"""Shares within this of a rule's `own` are doubtful."""

_MEASURED: Final = 1.0
_SHORT: Final = 0.1
"""What is measured past a limit by so many greys need not fall so far below the usual: so much less."""

_QUICK: Final = 20
"""Percentile of the earlier times that one is compared with: whoever is now slow and now quick has no usual tempo."""

BROKEN: Final = 0.5
"""Probability from which a rule counts as broken beside the earlier repetitions."""


@dataclass(slots=True)
class Habit:
    """Travel (in the channel's unit) and seconds beyond half of it of the repetitions so far, the newest last."""

    travel: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def probability(self, rule: FormRule, travel: float, seconds: float, past: float = 0.0) -> float:
        """How probable it is that a repetition breaks a rule when compared with the earlier ones; 0 when unknown.

        Args:
            rule: of the table.
            travel: of this repetition.
            seconds: beyond half of its way.
            past: what the rule measures on it, in greys past the limit.
        """
        before, value = (self.seconds, seconds) if rule.measure == DURATION else (self.travel, travel)
        if not rule.own or len(before) < EARLIER:
            return 0.0
        usual = float(np.percentile(before, _QUICK if rule.measure == DURATION else _DEEP))
        share = value / max(usual, 1e-6)
        if share < _LEAST:
            return 0.0
        least = rule.own + (_SHORT if rule.measure != DURATION and past > _MEASURED else 0.0)
        return 1.0 / (1.0 + float(np.exp(-np.clip((least - share) / _WIDTH, -30, 30))))

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
    channel = _channel(exercise)
    return travel_of(channel, rows) if channel else 0.0


def far_seconds(exercise: str, rows: NDArray[np.float64]) -> float:
    """How long a repetition was beyond half of its way, from its channels [T, channels]; 0 for a hold.

    Half the time for the whole is half the time beyond the middle, and this does not depend on when one sees a
    repetition begin and end.
    """
    channel = _channel(exercise)
    return beyond_half(channel, rows) / FPS if channel else 0.0


def _channel(exercise: str) -> str:
    return next((m.travel for m in movements() if m.name == exercise), "")
