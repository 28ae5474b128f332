"""Tells how far the wall clock of this machine is from the server's. Work does not depend on it; log times do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cornerman_shared.process.health import Health
    from cornerman_shared.process.logs import Logger
    from cornerman_shared.process.metrics import Metrics

LARGEST_SKEW_S: Final = 1.0
"""A larger difference is logged and shown: the log lines of two machines do not line up."""

SKEW: Final = "clock_skew_s"
"""Name of the skew in `WorkerStatus.detail`: seconds that the wall clock is ahead of the server's."""


class SkewReport:
    """Reports the skew of one process: in its status and metric each time, in its log when it changes."""

    def __init__(self, health: Health, metrics: Metrics, log: Logger) -> None:
        self._health, self._metrics, self._log = health, metrics, log
        self._is_skewed = False

    def report(self, skew_s: float) -> None:
        """Takes the skew of now: seconds that the wall clock is ahead of the server's."""
        self._health.report(**{SKEW: round(skew_s, 3)})
        self._metrics.clock_skew_seconds.set(skew_s)
        is_skewed = abs(skew_s) > LARGEST_SKEW_S
        if is_skewed and not self._is_skewed:
            self._log.warning("clock_skewed", skew_s=round(skew_s, 3), remedy="synchronise the clock, e.g. with NTP")
        elif self._is_skewed and not is_skewed:
            self._log.info("clock_agrees", skew_s=round(skew_s, 3))
        self._is_skewed = is_skewed
