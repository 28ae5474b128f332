"""One name for each exercise and mistake across all label sets."""

from __future__ import annotations

import re
from typing import Final

EXERCISES: Final = (
    "squat",
    "push_up",
    "lunge",
    "jumping_jack",
    "overhead_press",
    "plank",
    "sit_up",
    "biceps_curl",
    "lateral_raise",
    "deadlift",
    "high_knees",
    "glute_bridge",
)
"""Exercises that a coach is expected to know; on all others it stays silent."""

_EXERCISE_ALIASES: Final[dict[str, str]] = {
    "squant": "squat",  # so spelt in RepCount
    "air_squat": "squat",
    "bodyweight_squat": "squat",
    "pushup": "push_up",
    "press_up": "push_up",
    "lunges_alternating": "lunge",
    "alternating_lunge": "lunge",
    "jump_jack": "jumping_jack",
    "jumpjack": "jumping_jack",
    "shoulder_press": "overhead_press",
    "military_press": "overhead_press",
    "situp": "sit_up",
    "bicep_curl": "biceps_curl",
    "curl": "biceps_curl",
    "side_raise": "lateral_raise",
    "romanian_deadlift": "deadlift",
    "high_knee": "high_knees",
    "high_knee_slow": "high_knees",
    "elbow_plank": "plank",
    "bridge": "glute_bridge",
}

_MISTAKE_ALIASES: Final[dict[str, str]] = {  # to the names of movements.json
    "rounded_back": "round_back",
    "rounding_back": "round_back",
    "leaning": "leaning_forward",
    "lean_forward": "leaning_forward",
    "shallow": "too_shallow",
    "half_range_at_the_bottom": "half_way_down",
    "half_range": "half_way",
    "sagging_hips": "hips_sagging",
    "hips_low": "hips_sagging",
    "high_hips": "hips_high",
    "lean_back": "leaning_back",
    "knee_over_toe": "short_step",
    "knees_over_toes": "short_step",
    "knee_past_toes": "short_step",
    "head_down": "head_dropped",
    "dropped_head": "head_dropped",
    "knee_dominant": "squatting",
    "hip_first": "hips_first",
    "hips_rise_first": "hips_first",
    "no_lockout": "not_upright",
    "knee_valgus": "knees_in",
}


def slug(text: str) -> str:
    """Lower case, words joined by underscores; what stands in brackets is left out."""
    return "_".join(re.findall(r"[a-z0-9]+", re.sub(r"\(.*?\)", " ", text.lower())))


def exercise_name(text: str) -> str:
    """The name of an exercise as in `EXERCISES`, or another slug; empty for none."""
    name = slug(text)
    for form in (name, name.removesuffix("s"), name.removesuffix("es")):
        if form in EXERCISES:
            return form
        if form in _EXERCISE_ALIASES:
            return _EXERCISE_ALIASES[form]
    return "" if name in ("none", "rest", "other", "nobody") else name


def mistake_name(text: str) -> str:
    """The name of a mistake, without the exercise before a colon."""
    name = slug(text.rpartition(":")[2])
    return _MISTAKE_ALIASES.get(name, name)
