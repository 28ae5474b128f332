"""Exponential backoff with full jitter. Computes waits; does not sleep and reads no clock."""

from __future__ import annotations

import random

MAX_DOUBLINGS = 32


class Backoff:
    """Draws each wait evenly from 0 to `min(cap_s, base_s * 2**tries)`.

    Full jitter spreads the load of many clients that lost the same server at the same moment
    (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).

    Args:
        base_s: upper bound of the first wait, seconds.
        cap_s: upper bound of every wait, seconds.
        rng: source of randomness; give a seeded one to make a run repeatable.
    """

    def __init__(self, base_s: float = 0.1, cap_s: float = 10.0, rng: random.Random | None = None) -> None:
        if not 0 < base_s <= cap_s:
            raise ValueError(f"Backoff(base_s={base_s!r}, cap_s={cap_s!r}): give 0 < base_s <= cap_s")
        self.base_s = base_s
        self.cap_s = cap_s
        self._rng = rng or random.Random()
        self._tries = 0

    @property
    def tries(self) -> int:
        """Waits drawn since the last `reset`."""
        return self._tries

    @property
    def ceiling_s(self) -> float:
        """Upper bound of the next wait, seconds."""
        return min(self.cap_s, self.base_s * 2.0 ** min(self._tries, MAX_DOUBLINGS))

    def next_s(self) -> float:
        """The next wait, seconds."""
        wait_s = self._rng.uniform(0.0, self.ceiling_s)
        self._tries += 1
        return wait_s

    def reset(self) -> None:
        """Starts again with the shortest wait; call it after a success."""
        self._tries = 0
