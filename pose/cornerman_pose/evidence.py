"""What speaks for a mistake on one repetition. Pure: knows readings and the table, not when a repetition ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cornerman_pose.channels import FPS
from cornerman_pose.measures import rule_channels, rule_value, shows_nothing

_REST = 6  # frames
_MOST = 90.0  # greys past a limit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cornerman_pose.movements import FormRule
    from cornerman_pose.reading import FrameReading


@dataclass(frozen=True, slots=True)
class RuleEvidence:
    """What speaks for a mistake on one repetition.

    Attributes:
        excess: past the limit in grey units, softened by doubt.
        past: the same as measured, without doubt; the greatest where no landmark shows it: it bars nothing.
        logit: mean of the net's own judgement.
        observable: whether the view shows it, 0..1.
    """

    excess: float
    past: float
    logit: float
    observable: float


def weigh(rule: FormRule, index: int, moved: FrameReading, ended: FrameReading, seconds: float) -> RuleEvidence:
    """Evidence for one rule.

    Args:
        rule: of the table.
        index: its column.
        moved: readings from the start to the end of the repetition.
        ended: readings of the frames right after its end.
        seconds: duration of the movement.
    """
    shown = moved.shown.astype(float)
    rows = shown if rule.reads == "landmarks" else moved.measure.astype(float)
    value = rule_value(rule, rows, seconds)
    # Where bodies are noisier in training than in life, the net draws large values back towards the usual ones.
    measured = rule_value(rule, (rows + shown) / 2, seconds)
    doubt = float(np.median(moved.doubt[:, rule_channels(rule)].sum(1))) if rule_channels(rule) else 0.0
    p = np.clip(ended.wrong[:, index].astype(float), 1e-3, 1 - 1e-3)
    return RuleEvidence(
        excess=float(np.clip(rule.excess(value) / np.hypot(1.0, doubt / rule.grey), -6.0, 6.0)),
        past=_MOST if shows_nothing(rule) else float(np.clip(rule.excess(measured), -_MOST, _MOST)),
        logit=float(np.mean(np.log(p / (1 - p)))),
        observable=float(ended.observable[:, index].mean()),
    )


def moving_rows(phase: NDArray[np.float32], cycle: NDArray[np.float32]) -> slice:
    """The frames of a repetition that belong to it, of all frames since the one before ended.

    What a person does between sets is not judged: the frames before the last rest of `_REST` frames are left out, and
    two of the rest are kept.
    """
    active = (cycle > 0.4) & (phase > 0.04) & (phase < 0.97)
    at = np.flatnonzero(active)
    if not len(at):
        return slice(0, len(phase))
    breaks = np.flatnonzero(np.diff(at) > _REST)
    first = int(at[breaks[-1] + 1]) if len(breaks) else int(at[0])
    return slice(max(0, first - 2), len(phase))


def moving_seconds(moved: FrameReading) -> float:
    """Duration of the movement in these readings: the frames in which a cycle is under way."""
    phase = moved.phase
    active = (moved.cycle > 0.5) & (phase > 0.06) & (phase < 0.94)
    return (float(active.sum()) + 1.0) / FPS
