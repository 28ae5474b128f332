"""Rate limits: a token bucket for each client, bounded in number. Pure: the time is given."""

from __future__ import annotations

from collections import OrderedDict

MAX_CLIENTS = 4096


class RateLimit:
    """`per_minute` for each client, with a burst of half of it (at least one).

    Remembers `MAX_CLIENTS` clients; the one not heard of for longest is forgotten first.
    """

    def __init__(self, per_minute: int) -> None:
        self._rate_per_s = per_minute / 60
        self._burst = max(1.0, per_minute / 2)
        self._clients: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def blocked_s(self, client: str, now_s: float) -> float:
        """Seconds until this client may act again, 0.0 = now. Counts nothing."""
        left, at_s = self._clients.get(client, (self._burst, now_s))
        left = min(self._burst, left + max(0.0, now_s - at_s) * self._rate_per_s)
        return 0.0 if left >= 1 else (1 - left) / self._rate_per_s

    def wait_s(self, client: str, now_s: float) -> float:
        """Counts one act of this client. 0.0 = go on; else it is refused, and this many seconds must pass first."""
        left, at_s = self._clients.pop(client, (self._burst, now_s))
        left = min(self._burst, left + max(0.0, now_s - at_s) * self._rate_per_s)
        wait = 0.0 if left >= 1 else (1 - left) / self._rate_per_s
        self._clients[client] = (left if wait else left - 1, now_s)
        if len(self._clients) > MAX_CLIENTS:
            self._clients.popitem(last=False)
        return wait
