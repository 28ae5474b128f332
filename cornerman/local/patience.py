"""When a command that ends with its sources stops waiting for a role that is down. Pure: no clock."""

from __future__ import annotations

from collections.abc import Mapping

from cornerman_shared.errors import FatalError


class Patience:
    """Waits for roles that are down, as long as work goes on without them.

    Args:
        limit_s: longest time without progress while a role is down, seconds.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._since_s: dict[str, float] = {}
        self._progress = -1

    def check(self, now_s: float, down: Mapping[str, str], progress: int) -> None:
        """Notes which roles are down now, with the reasons, and how far the work is.

        Raises:
            FatalError: a role has been down for `limit_s` seconds without progress; names it and its reason.
        """
        if progress != self._progress:
            self._since_s.clear()
        self._progress = progress
        self._since_s = {role: self._since_s.get(role, now_s) for role in down}
        for role, since_s in self._since_s.items():
            if now_s - since_s >= self._limit_s:
                raise FatalError(
                    f"{role} has been down for {now_s - since_s:.0f} s and nothing moves without it: {down[role]} "
                    "(runtime.down_s)"
                )
