"""An own exercise, as learned from a few repetitions. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prototype:
    """Repetitions of one kind, aligned in time.

    Attributes:
        steps: [S, D] their mean.
        spread: [D] standard deviation of a repetition from it.
        seconds: of the shortest and the longest repetition.
        repetitions: how many it was learned from.
    """

    steps: Array
    spread: Array
    seconds: tuple[float, float]
    repetitions: int


@dataclass(frozen=True, slots=True)
class TaughtMistake:
    """A way to do an exercise wrong.

    Attributes:
        name: small letters, digits and '_'.
        say: the owner's sentence about it.
        words: whose words are spoken.
        prototype: of wrong repetitions.
    """

    name: str
    say: str
    words: Literal["owner", "model"]
    prototype: Prototype


@dataclass(frozen=True, slots=True)
class TaughtExercise:
    """An exercise that its owner has shown.

    Attributes:
        name: of its file.
        title: as people see it.
        good: right repetitions.
        mistakes: ways to do it wrong.
        parts: parts of the body that were seen while it was shown.
        praise: the owner's sentence about good repetitions; empty = none.
    """

    name: str
    title: str
    good: Prototype
    mistakes: tuple[TaughtMistake, ...]
    parts: tuple[str, ...]
    praise: str = ""

    @property
    def prototypes(self) -> tuple[Prototype, ...]:
        """Of the right repetitions, then of each mistake."""
        return (self.good, *(mistake.prototype for mistake in self.mistakes))

    @property
    def praised(self) -> bool:
        """Good repetitions are praised: in the owner's words, or in the model's if it also says the mistakes."""
        return bool(self.praise) or any(mistake.words == "model" for mistake in self.mistakes)
