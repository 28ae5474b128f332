"""Single labelled frames (NgoQuocBao1010/Exercise-Correction's CSVs) as a check of single mistakes."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from cornerman_pose.channels import FPS, UNITS
from cornerman_pose.errors import LandmarkFileError
from cornerman_pose.features import DIRECT, LandmarkGrid
from cornerman_pose.landmarks import INDEX, LANDMARKS, Person
from cornerman_pose.measures import DURATION, rule_value
from cornerman_pose.movements import form_rules
from cornerman_pose.people_eval.names import mistake_name

MEANINGS: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "plank": ("plank", {"C": "", "H": "hips_high", "L": "hips_sagging"}),
    "lunge": ("lunge", {"C": "", "L": "short_step"}),
    "bicep": ("biceps_curl", {"C": "", "L": "leaning_back"}),
}
"""By the name of the CSV: the exercise, and the mistake that each label means; empty = right."""

ASPECT: Final = 16 / 9
"""Width by height of the pictures, which the files do not tell."""

TORSO_M: Final = 0.5
_HEIGHT_PX: Final = 224
_HELD: Final = 4
"""Frames for which a still is held, so that the slow quantities of the features settle."""


@dataclass(frozen=True, slots=True)
class Still:
    """One frame and what is wrong in it; empty = nothing."""

    exercise: str
    mistake: str
    person: Person


def read_stills(path: Path) -> list[Still]:
    """The frames of a CSV. Landmarks that it lacks have visibility 0; metres are scaled to a torso of 0.5 m.

    Raises:
        LandmarkFileError: a name or label that is not known, or values that are no numbers.
    """
    if path.stem not in MEANINGS:
        raise LandmarkFileError(f"{path}: expected one of {', '.join(f'{name}.csv' for name in MEANINGS)}")
    exercise, meanings = MEANINGS[path.stem]
    stills = []
    with path.open(encoding="utf-8-sig", newline="") as stream:
        for number, row in enumerate(csv.DictReader(stream), 2):
            if row.get("label") not in meanings:
                raise LandmarkFileError(f"{path}:{number}: label is {row.get('label')!r}; expected {list(meanings)}")
            try:
                stills.append(Still(exercise, meanings[row["label"]], _person(row)))
            except (TypeError, ValueError) as error:
                raise LandmarkFileError(
                    f"{path}:{number}: {error}; expected numbers x, y, z, v for each joint"
                ) from error
    return stills


def past_limits(still: Still) -> frozenset[str]:
    """Mistakes of posture that the table's limits find in a frame, by what the landmarks themselves show.

    Only those that the labels of the exercise know: a range or a time says nothing about one frame.
    """
    known = {name for exercise, labels in MEANINGS.values() if exercise == still.exercise for name in labels.values()}
    one = still.person
    image, world, visibility = (
        np.repeat(a[None].astype(np.float64), _HELD, axis=0) for a in (one.image_px, one.world_m, one.visibility)
    )
    _, features = LandmarkGrid().push(np.arange(_HELD) / FPS, image, world, visibility, np.ones(_HELD))
    rows = features[-1:, DIRECT].astype(np.float64) * UNITS
    rules = [r for r in form_rules() if r.exercise == still.exercise and r.name in known and r.measure != DURATION]
    return frozenset(rule.name for rule in rules if rule.excess(rule_value(rule, rows, 0.0)) > 0)


def score_stills(
    stills: list[Still], judge: Callable[[Still], Collection[str]] = past_limits
) -> dict[str, dict[str, float]]:
    """For each exercise and label: frames, share in which that mistake is seen, share in which any is."""
    found: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for still in stills:
        seen = {mistake_name(name) for name in judge(still)}
        found[f"{still.exercise}:{still.mistake or 'right'}"].append((still.mistake in seen, bool(seen)))
    return {
        name: {
            "frames": float(len(one)),
            "named": sum(right for right, _ in one) / len(one),
            "any": sum(some for _, some in one) / len(one),
        }
        for name, one in found.items()
    }


def _person(row: Mapping[str, str]) -> Person:
    image = np.zeros((LANDMARKS, 2), np.float32)
    world = np.zeros((LANDMARKS, 3), np.float32)
    visibility = np.zeros(LANDMARKS, np.float32)
    for name, at in INDEX.items():
        if f"{name}_x" not in row:
            continue
        x, y, z, seen = (float(row[f"{name}_{axis}"]) for axis in "xyzv")
        image[at] = (x * ASPECT * _HEIGHT_PX, y * _HEIGHT_PX)
        # Depth has the scale of x.
        world[at] = (x * ASPECT, y, z * ASPECT)
        visibility[at] = np.clip(seen, 0, 1)
    hips = (world[INDEX["left_hip"]] + world[INDEX["right_hip"]]) / 2
    shoulders = (world[INDEX["left_shoulder"]] + world[INDEX["right_shoulder"]]) / 2
    torso = max(float(np.linalg.norm((shoulders - hips)[:2])), 1e-3)
    known = visibility > 0
    world[known] = (world[known] - hips) * (TORSO_M / torso)
    return Person(image, world, visibility, 1.0)
