"""When each source of a process begins. Pure.

Sources that begin together finish their chunks together, for ever, and each waits behind the others in the encoder.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from cornerman_shared.chunk import CHUNK_FRAMES

if TYPE_CHECKING:
    from cornerman_common.looks import LookPlan

MOST_LATE_S: Final = 0.5
"""No source begins later than this: the time from chunk to chunk with the default settings."""

_GOLDEN: Final = (math.sqrt(5) - 1) / 2
"""Multiples of it, modulo 1, are spread evenly however many there are (Weyl; Knuth, TAOCP 3, 6.4)."""


def late_s(number: int, plan: LookPlan) -> float:
    """How much later a source begins than it could, seconds; the first one at once.

    Args:
        number: of the source in its process, from 0, in the order in which they begin.
        plan: how its looks are cut; only chunks come so often that they queue.
    """
    if plan.kind != "chunk":
        return 0.0
    period_s = (CHUNK_FRAMES - plan.overlap) / plan.sample_fps
    return number * _GOLDEN % 1.0 * min(period_s, MOST_LATE_S)
