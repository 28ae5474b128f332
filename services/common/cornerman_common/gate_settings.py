"""Limits that the gate reads; a source's settings and the trainer's own both fit. Types only."""

from __future__ import annotations

from typing import Protocol


class GateSettings(Protocol):
    """Limits of the gate; the settings of a source (`speak`) fit."""

    @property
    def confidence_threshold(self) -> float:
        """Least confidence of feedback and corrections, 0..1."""

    @property
    def min_interval_s(self) -> float:
        """Least media time between two that pass, seconds."""

    @property
    def repeat_window_s(self) -> float:
        """How long a cue that lasts counts as a repeat, seconds of media time."""
