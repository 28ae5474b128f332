"""What is demanded of a coach on skeletons, by score. Data only; `coach_gate` measures it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Bound = tuple[Literal["least", "most"], float]

GYM: Final[Mapping[tuple[str, str], Bound]] = {
    ("gym", "temporal_f_score"): ("least", 0.95),
    ("gym", "mistake_accuracy"): ("least", 0.93),
    ("gym", "false_alarms_per_min"): ("most", 0.25),
    ("others_worst", "temporal_f_score"): ("least", 0.9),
    ("others_worst", "false_alarms_per_min"): ("most", 0.5),
    ("quiet", "false_alarms_per_min"): ("most", 0.0),
    ("footage", "false_alarms_per_min"): ("most", 0.0),
}
"""By group of sessions and score; through pictures and the estimator as well (`benchmarks/whole_road.py`)."""

BELOW_SHORTCUT: Final[Bound] = ("most", 0.03)
"""How much less the F-score of the main group may be through pictures than without."""

PEOPLE: Final[Mapping[tuple[str, str], Bound]] = {
    (".", "exercise_right"): ("least", 0.95),
    (".", "count_within_one"): ("least", 0.9),
    (".", "ends_hit"): ("least", 0.85),
    (".", "ends_false_per_min"): ("most", 0.5),
    (".", "false_corrections_per_min"): ("most", 0.3),
    ("push_ups", "mistake_named_of_wrong"): ("least", 0.7),
    ("push_ups", "mistake_named_of_right"): ("most", 0.1),
    ("mocap", "mistake_named_of_wrong"): ("least", 0.7),
    ("mocap", "mistake_named_of_right"): ("most", 0.15),
    ("deadlifts", "mistake_named_of_wrong"): ("least", 0.7),
    ("deadlifts", "mistake_named_of_right"): ("most", 0.15),
}
"""By set of clips ("." is the folder itself) and score; sets that a folder lacks are left out."""

MADE: Final[Mapping[str, Bound]] = {"named": ("least", 0.8), "named_of_untouched": ("most", 0.1)}
"""Of every kind of mistake made from real repetitions."""
