"""What speaks for a mistake on one repetition. Pure: knows readings and the table, not when a repetition ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cornerman_pose.features import FPS
from cornerman_pose.measures import rule_channels, rule_value

if TYPE_CHECKING:
    from cornerman_pose.movements import FormRule
    from cornerman_pose.temporal import FrameReading


@dataclass(frozen=True, slots=True)
class RuleEvidence:
    """What speaks for a mistake on one repetition: `excess` past the limit in grey units, softened by doubt; the mean
    `logit` of the net's own judgement; whether the view shows it, `observable` 0..1."""  # fmt: skip

    excess: float
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
    value = rule_value(rule, moved.measure.astype(float), seconds)
    doubt = float(np.median(moved.doubt[:, rule_channels(rule)].sum(1))) if rule_channels(rule) else 0.0
    p = np.clip(ended.wrong[:, index].astype(float), 1e-3, 1 - 1e-3)
    return RuleEvidence(
        excess=float(np.clip(rule.excess(value) / np.hypot(1.0, doubt / rule.grey), -6.0, 6.0)),
        logit=float(np.mean(np.log(p / (1 - p)))),
        observable=float(ended.observable[:, index].mean()),
    )


def moving_seconds(moved: FrameReading) -> float:
    """Duration of the movement in these readings: the frames in which a cycle is under way."""
    phase = moved.phase
    active = (moved.cycle > 0.5) & (phase > 0.06) & (phase < 0.94)
    return (float(active.sum()) + 1.0) / FPS
