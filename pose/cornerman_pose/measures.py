"""What a body does at a frame, as numbers, and what the table of mistakes makes of them over a repetition.

Training computes the channels on true skeletons, the temporal half estimates them from landmarks; both judge here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cornerman_pose.movements import FormRule

Array = NDArray[np.float64]
# The unit in which the net estimates each channel. Angles in degrees; `hi`, `lo`: greater and lesser of two sides.
CHANNELS: dict[str, float] = {
    "knee": 40.0,  # mean of both knees, 180 is straight
    "front_knee": 40.0,  # the knee whose foot is further to the front
    "elbow_lo": 45.0,
    "lean": 30.0,  # trunk from the vertical, forward positive, -90 on the back
    "spine": 15.0,  # angle between its halves
    "hip_offset": 10.0,  # hips below (+) the line from shoulder to ankle
    "neck": 20.0,  # ear, shoulder, hip
    "arms_hi": 45.0,  # shoulder to wrist from hanging
    "arms_lo": 45.0,
    "wrist_hi": 0.5,  # above the shoulder, over the arm's length
    "wrist_lo": 0.5,
    "upper_arm": 35.0,  # to the trunk, the greater
    "knee_gap": 0.4,  # over the gap of the ankles
    "feet_gap": 0.3,  # sideways, over the leg's length
    "past_toes": 0.7,  # front knee before its toes, over the foot's length
    "thigh_hi": 40.0,  # from hanging
    "bridge": 35.0,  # shoulder, hip, knee, the greater
    "ankle_up": 0.3,  # above the hips, over the leg's length
}
UNITS = np.array(list(CHANNELS.values()))
_AT = {name: i for i, name in enumerate(CHANNELS)}


def _hips_first(rows: Array) -> float:
    knee, lean = rows[:, _AT["knee"]], rows[:, _AT["lean"]]
    low = int(np.argmax(lean))
    least, most = knee[low:].min(), knee[low:].max()
    if most - least < 12:
        return 0.0
    at = low + int(np.argmax(knee[low:] > least + 0.7 * (most - least)))
    return float((lean[at] - lean[-1]) / max(lean[low] - lean[-1], 1.0))


def _get(name: str, how: Callable[[Array], np.floating]) -> tuple[tuple[str, ...], Callable[[Array], float]]:
    return (name,), lambda rows: float(how(rows[:, _AT[name]]))


def _deepest(name: str) -> tuple[tuple[str, ...], Callable[[Array], float]]:
    return (name,), lambda rows: float(rows[int(np.argmin(rows[:, _AT["knee"]])), _AT[name]])


def _apart(name: str) -> tuple[tuple[str, ...], Callable[[Array], float]]:
    names = (f"{name}_hi", f"{name}_lo")
    return names, lambda rows: float(rows[:, _AT[names[0]]].max() - rows[:, _AT[names[1]]].max())


# Measure of the table: the channels it reads, and its value over the frames of a repetition [T, channels].
MEASURES: dict[str, tuple[tuple[str, ...], Callable[[Array], float]]] = {
    "smallest knee angle": _get("knee", np.min),
    "gap of the knees over gap of the ankles at the bottom": _deepest("knee_gap"),
    "greatest lean of the trunk from the vertical": _get("lean", np.max),
    "angle between the halves of the spine": _get("spine", np.max),
    "hips below the line from shoulder to ankle": _get("hip_offset", np.median),
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
    "share of the bottom's lean left when the knees are extended by 70 %": (("lean", "knee"), _hips_first),
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


def rule_channels(rule: FormRule) -> list[int]:
    """Indices of the channels that a rule reads; none for the duration."""
    return [] if rule.measure == DURATION else [_AT[n] for n in MEASURES[rule.measure][0]]
