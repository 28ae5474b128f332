"""What a body does at a frame, as numbers, and what the table of mistakes makes of them over a repetition.

Training computes the channels on true skeletons, the temporal half estimates them from landmarks; both judge here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.channels import CHANNELS, UNSEEN

if TYPE_CHECKING:
    from cornerman_pose.movements import FormRule, Movement

Array = NDArray[np.float64]
_AT = {name: i for i, name in enumerate(CHANNELS)}


_STIFF = 145.0
"""Knees that never bend below this many degrees are kept stiff on purpose, as in a Romanian deadlift."""


def _hips_first(rows: Array) -> float:
    knee, lean = rows[:, _AT["knee"]], rows[:, _AT["lean"]]
    low = int(np.argmin(knee))
    least, most = knee[low], knee[low:].max()
    if most - least < 20 or lean[low] < 25:
        return 0.0
    at = low + int(np.argmax(knee[low:] > least + 0.7 * (most - least)))
    return float(lean[at] / lean[low])


def _bent_lean(rows: Array) -> float:
    bent = rows[:, _AT["knee"]] < _STIFF
    return float(np.percentile(rows[bent, _AT["lean"]], 95)) if bent.any() else 0.0


def _unlevel_hands(rows: Array) -> float:
    apart = np.abs(rows[:, _AT["wrist_hi"]] - rows[:, _AT["wrist_lo"]])
    return float(np.percentile(apart, 97) - np.percentile(apart, 20))


def _spread(x: Array) -> float:
    """Range without the outermost twentieth at each end: one bad frame says nothing."""
    low, high = np.percentile(x, (5, 95))
    return float(high - low)


def _get(name: str, how: Callable[[Array], np.floating | float]) -> tuple[tuple[str, ...], Callable[[Array], float]]:
    return (name,), lambda rows: float(how(rows[:, _AT[name]]))


def _deepest(name: str) -> tuple[tuple[str, ...], Callable[[Array], float]]:
    return (name,), lambda rows: float(rows[int(np.argmin(rows[:, _AT["knee"]])), _AT[name]])


def _apart(name: str) -> tuple[tuple[str, ...], Callable[[Array], float]]:
    names = (f"{name}_hi", f"{name}_lo")
    return names, lambda rows: float(rows[:, _AT[names[0]]].max() - rows[:, _AT[names[1]]].max())


# Measure of the table: the channels it reads, and its value over the frames of a repetition [T, channels].
MEASURES: dict[str, tuple[tuple[str, ...], Callable[[Array], float]]] = {
    "least height of the hips above the knees over the thigh's length": _get("hip_up", lambda x: np.percentile(x, 4)),
    "sideways sway of the trunk": _get("roll", _spread),
    "one hand thrown up over the other, over the arm's length": (("wrist_hi", "wrist_lo"), _unlevel_hands),
    "travel of the shoulders above the hands over the arm's length": _get("wrist_hi", _spread),
    "greatest lean of the trunk with bent knees": (("lean", "knee"), _bent_lean),
    "gap of the knees over gap of the ankles at the bottom": _deepest("knee_gap"),
    "greatest lean of the trunk from the vertical": _get("lean", np.max),
    "angle between the halves of the spine": _get("spine", np.max),
    "hips below the line from shoulder to ankle at the lowest": _get("hip_offset", lambda x: np.percentile(x, 90)),
    "hips above the line from shoulder to ankle": _get("hip_offset", lambda x: -np.median(x)),
    "smallest elbow angle": _get("elbow_lo", np.min),
    "angle of ear, shoulder and hip": _get("neck", np.median),
    "smallest angle of the front knee": _get("front_knee", np.min),
    "front knee past its toes, over the foot's length": _deepest("past_toes"),
    "greatest elevation of the arms from hanging": _get("arms_hi", np.max),
    "greatest gap of the ankles over the leg's length": _get("feet_gap", np.max),
    "difference of the arms' greatest elevations": _apart("arms"),
    "greatest height of the wrists above the shoulders over the arm's length": _get("wrist_hi", np.max),
    "least height of the wrists above the shoulders over the arm's length": _get("wrist_lo", np.min),
    "greatest backward lean of the trunk": _get("lean", lambda x: -np.min(x)),
    "difference of the wrists' heights at the top over the arm's length": _apart("wrist"),
    "greatest elevation of the trunk from the floor": _get("lean", lambda x: 90.0 + np.max(x)),
    "rise of the ankles over the leg's length": _get("ankle_up", np.ptp),
    "greatest elbow angle": _get("elbow_lo", np.max),
    "range of the trunk's lean": _get("lean", np.ptp),
    "greatest angle of the upper arm to the trunk": _get("upper_arm", np.max),
    "lean of the trunk at the bottom": _get("lean", np.max),
    "share of the lean at the bottom that is left when the knees are extended by 70 %": (("lean", "knee"), _hips_first),
    "least lean of the trunk at the top": _get("lean", lambda x: np.percentile(x, 5)),
    "greatest elevation of the thigh from hanging": _get("thigh_hi", np.max),
    "greatest angle of shoulder, hip and knee": _get("bridge", np.max),
    "knee angle at the top": (("knee",), lambda rows: float(rows[int(np.argmax(rows[:, _AT["bridge"]])), _AT["knee"]])),
}
DURATION = "duration of a repetition"


def rule_value(rule: FormRule, rows: Array, seconds: float) -> float:
    """The measure of a rule over one repetition.

    Args:
        rule: of the table.
        rows: [T, channels] in the units of the channels' names (degrees and ratios).
        seconds: duration of the movement without pauses.
    """
    return seconds if rule.measure == DURATION else MEASURES[rule.measure][1](rows)


def travel_of(channel: str, rows: Array) -> float:
    """Range of a channel over the frames of a repetition [T, channels], without the outermost frames."""
    return _spread(rows[:, _AT[channel]])


def beyond_half(channel: str, rows: Array) -> float:
    """Frames, in fractions, in which a channel is beyond the middle of its range, on the side where it does not begin.

    Args:
        channel: that says how far a repetition goes.
        rows: [T, channels] of one repetition.
    """
    x = rows[:, _AT[channel]]
    low, high = np.percentile(x, (5, 95))
    away = x - (low + high) / 2
    away = away if abs(x[0] - low) < abs(x[0] - high) else -away
    least, most = np.minimum(away[:-1], away[1:]), np.maximum(away[:-1], away[1:])
    share = np.where(least >= 0, 1.0, np.maximum(most, 0.0) / np.maximum(most - least, 1e-9))
    return float(share.sum())


def shows_nothing(rule: FormRule) -> bool:
    """Whether no landmark shows what a rule reads."""
    return rule.measure != DURATION and UNSEEN.issuperset(MEASURES[rule.measure][0])


def limit_of(rule: FormRule) -> tuple[float, str] | None:
    """The limit of a rule on the channel that it reads, and the side of it that is wrong.

    None where the measure is of a range, a difference or a time: no single value of the channel is past it.
    """
    if rule.measure == DURATION:
        return None
    at_0, at_1 = (MEASURES[rule.measure][1](np.full((2, len(CHANNELS)), value)) for value in (0.0, 1.0))
    slope = at_1 - at_0
    if abs(slope) < 1e-6:
        return None
    flipped = {"above": "below", "below": "above"}[rule.worse]
    return (rule.limit - at_0) / slope, rule.worse if slope > 0 else flipped


def telling_rule(movement: Movement, mistakes: Collection[str] = ()) -> FormRule | None:
    """The rule whose measure tells most now: of a mistake named, else of the movement's travel, else the first.

    Only rules that landmarks show count; None without any.
    """
    shown = [rule for rule in movement.rules if rule.measure != DURATION and not shows_nothing(rule)]
    named = [rule for rule in shown if rule.name in mistakes]
    on_travel = [rule for rule in shown if channel_of(rule) == movement.travel]
    return next(iter([*named, *on_travel, *shown]), None)


def channel_of(rule: FormRule) -> str:
    """The channel that a rule reads, the first of several.

    Raises:
        KeyError: it reads none but the time.
    """
    return MEASURES[rule.measure][0][0]


def rule_channels(rule: FormRule) -> list[int]:
    """Indices of the channels that a rule reads; none for the duration."""
    return [] if rule.measure == DURATION else [_AT[n] for n in MEASURES[rule.measure][0]]
