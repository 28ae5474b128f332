"""What the temporal half reads at each frame. Data only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FrameReading:
    """What the net reads at K frames.

    `exercise` [K,E] probabilities over `exercise_names()`; `phase` [K] in 0..1 of a repetition and `cycle` [K], how
    clearly there is one; `end` [K] probability that a repetition has just ended; `action` [K,3]; per mistake [K,R]:
    `wrong` probability, `observable` probability. Per channel of `channels.py` [K,M], in degrees and ratios: `measure`,
    the net's estimate, `doubt`, the scale of its error, and `shown`, what the landmarks themselves show. `signs` [K,S]:
    more that they show, see `signs.py`. `drawn` [K]: how sure it is, 0..1, that the body is a drawn figure, whose
    landmarks show other things than those of people.
    """

    exercise: Floats
    phase: Floats
    cycle: Floats
    end: Floats
    action: Floats
    wrong: Floats
    observable: Floats
    measure: Floats
    doubt: Floats
    shown: Floats
    signs: Floats
    drawn: Floats


def cut(reading: FrameReading, rows: slice) -> FrameReading:
    """Some of its frames."""
    return FrameReading(*(getattr(reading, name)[rows] for name in FrameReading.__slots__))
