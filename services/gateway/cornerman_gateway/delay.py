"""The delay of the picture that makes words arrive with it: an estimate and a smooth playout. Pure.

`Estimate` follows the time from capture to *first token*. Skipped and failed requests never reach it. `Playout` turns
the wanted delay into a position on the capture clock that only ever moves at 0.9 to 1.1 of real time, so that viewers
see no jump.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DelayRules:
    """Constants of the estimate. Rates are seconds of delay a second."""

    alpha: float = 0.2
    """Weight of a new sample in the mean and in the mean deviation."""
    margin: float = 2.5
    """Deviations added to the mean, as TCP's timeout does (RFC 6298): early words can wait for their picture, late ones
    cannot.
    """
    min_s: float = 0.0
    max_s: float = 10.0
    first_s: float = 1.0
    """Assumed until the first words have been timed, so that they need not be late."""
    rise_per_s: float = 0.5
    fall_per_s: float = 0.05


class Estimate:
    """The delay of one source."""

    def __init__(self, rules: DelayRules | None = None) -> None:
        self.rules = rules or DelayRules()
        self.samples = 0
        self._mean_s = 0.0
        self._deviation_s = 0.0
        self._target_s = self.wanted_s
        self._moved_at_s = 0.0

    def observe(self, sample_s: float, now_s: float) -> None:
        """Adds one sample: seconds from capture to first token. Negative and non-finite samples are ignored."""
        if not 0 <= sample_s < float("inf"):
            return
        rules = self.rules
        self.target_s(now_s)
        sample_s = min(sample_s, rules.max_s)
        if self.samples == 0:
            self._mean_s, self._deviation_s = sample_s, sample_s / 8
        else:
            error_s = sample_s - self._mean_s
            self._mean_s += rules.alpha * error_s
            self._deviation_s += rules.alpha * (abs(error_s) - self._deviation_s)
        self.samples += 1

    @property
    def mean_s(self) -> float:
        """The moving mean itself."""
        return self._mean_s

    @property
    def wanted_s(self) -> float:
        """Mean and margin, clamped: where the delay is going."""
        rules = self.rules
        if self.samples == 0:
            return min(rules.first_s, rules.max_s)
        return min(max(self._mean_s + rules.margin * self._deviation_s, rules.min_s), rules.max_s)

    def settle(self) -> None:
        """Goes to `wanted_s` at once; for use before the first viewer connects."""
        self._target_s = self.wanted_s

    def target_s(self, now_s: float) -> float:
        """The delay at `now_s`: rises to `wanted_s` fast when words come late, falls slowly when they come early."""
        elapsed_s = max(0.0, now_s - self._moved_at_s) if self._moved_at_s else 0.0
        self._moved_at_s = max(now_s, self._moved_at_s)
        gap_s = self.wanted_s - self._target_s
        rise_s, fall_s = self.rules.rise_per_s * elapsed_s, self.rules.fall_per_s * elapsed_s
        self._target_s += min(gap_s, rise_s) if gap_s > 0 else max(gap_s, -fall_s)
        return self._target_s


SLOWEST, FASTEST = 0.9, 1.1
CORRECT_IN_S = 1.0
"""An error is worked off as if it were to be gone in this time, within the rates above."""
LOST_S = 30.0
"""An error this large comes from another clock (the host set it, or slept), so playout starts again."""


class Playout:
    """Where one picture is on the capture clock."""

    def __init__(self) -> None:
        self.position_s: float | None = None
        self.rate = 1.0
        self._at_s = 0.0

    def advance(self, now_s: float, oldest_s: float, delay_s: float) -> float:
        """Moves to `now_s` and returns the position: the newest picture taken at or before it is the one to show.

        Args:
            now_s: our clock, unix seconds.
            oldest_s: when the oldest picture at hand was taken; the start waits there until the delay has built up.
            delay_s: how far the picture should lag.
        """
        goal_s = now_s - delay_s
        if self.position_s is None or abs(goal_s - self.position_s) > LOST_S:
            self.position_s, self.rate, self._at_s = max(goal_s, oldest_s), 1.0, now_s
            return self.position_s
        elapsed_s = max(0.0, now_s - self._at_s)
        self._at_s = now_s
        if goal_s <= oldest_s and self.position_s <= oldest_s:
            # Nothing has been shown moving yet: hold the first picture instead of running ahead of the words. Once it
            # moves it never goes back, even where the delay has grown so much that the goal has no picture any more.
            self.position_s, self.rate = oldest_s, 0.0
            return self.position_s
        if self.rate == 0.0:
            self.position_s, self.rate = goal_s, 1.0
            return self.position_s
        error_s = goal_s - elapsed_s - self.position_s
        self.rate = min(max(1.0 + error_s / CORRECT_IN_S, SLOWEST), FASTEST)
        self.position_s += self.rate * elapsed_s
        return self.position_s

    def lag_s(self, now_s: float) -> float:
        """How far the picture really lags now."""
        return 0.0 if self.position_s is None else max(0.0, now_s - self.position_s)
