"""How a session is sampled: 8 frames/s, in chunks of 8 frames that begin every 4, as the product makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cornerman_training.gym.session import GymSession

SAMPLE_FPS = 8.0
CHUNK = 8
STRIDE = 4
SIZE = 112
IGNORE = -100


def chunk_ends(frames: int) -> NDArray[np.int64]:
    """Index of the newest frame of each chunk of a session."""
    return np.arange(CHUNK - 1, frames, STRIDE)


def fault_labels(session: GymSession) -> NDArray[np.int64]:
    """Mistake labels [T]: 0 good or no repetition, 1 + index into FAULTS, `IGNORE` where it does not show yet."""
    inside = session.phase >= 0
    shows = np.sin(np.pi * np.clip(session.phase, 0, 1)) > 0.5
    return np.where(inside, np.where(shows, session.fault + 1, IGNORE), 0)
