"""How much poses differ where people do the same: `pose/cornerman_pose/assets/own_exercises.json`.

    python -m cornerman_training.own_exercises.spreads [FILE]

Six people do five repetitions of each bundled exercise before three cameras each; a spread is the standard deviation
between the cameras of a person at the same step of a repetition: of poses, and of ways from the pose between
repetitions. The file is what this prints; the draws are seeded.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

import numpy as np

from cornerman_pose.landmarks import LandmarkTrack
from cornerman_pose.taught.alignment import barycentre
from cornerman_pose.taught.learning import example_of
from cornerman_pose.taught.names import NAMES
from cornerman_pose.taught.other_side import mirrored
from cornerman_pose.taught.segments import find_repetitions
from cornerman_training.own_exercises.sessions import TakePlan, draw_takes
from cornerman_training.skeleton.posing import Array
from cornerman_training.skeleton.scene import FORM, ON_FLOOR
from cornerman_training.skeleton.timing import USUAL_S

_PEOPLE: Final = 6
_FIRST: Final = 6000
_LEAST: Final = 0.1
_STILL: Final = 0.2  # standard deviation below which a number does not move
_YAWS: Final = {False: (0.0, 0.5, 1.1), True: (0.8, 1.2, 1.5)}


def measured() -> dict[str, tuple[float, float]]:
    """For each number of the embedding, left and right as one: spread of poses and of ways."""
    poses, ways = [], []
    for name in (name for name in FORM if name not in ("plank", "high_knees")):
        for person in range(_FIRST, _FIRST + _PEOPLE):
            seen: list[Array] = []
            for camera, yaw in enumerate(_YAWS[name in ON_FLOOR]):
                (take,) = draw_takes(FORM[name], person, camera, (TakePlan("", 5, False),), yaw, USUAL_S[name])
                good = _shown(take.track)
                if good is None:
                    continue
                seen.append(min((good, mirrored(good)), key=lambda one: _apart(one, seen[0])) if seen else good)
            if len(seen) > 1:
                steps = np.stack(seen)
                poses.append(steps.var(0, ddof=1).mean(0))
                way = steps - steps[:, [0, -1]].mean(1, keepdims=True)
                ways.append(way.var(0, ddof=1).mean(0))
    kinds: dict[str, list[int]] = {}
    for column, name in enumerate(NAMES):
        kinds.setdefault(name.removeprefix("left_").removeprefix("right_"), []).append(column)
    pose, way = np.array(poses), np.array(ways)
    return {kind: (_rounded(pose[:, columns]), _rounded(way[:, columns])) for kind, columns in kinds.items()}


def _shown(track: LandmarkTrack) -> Array | None:
    """[S, D] the mean repetition of a take, cut and aligned without the table that is measured here."""
    rows = example_of(track).rows
    weights = 1.0 / (rows.shape[1] * (rows.var(0) + _STILL**2))
    spans = find_repetitions(rows, weights, 5)
    if len(spans) != 5:
        return None
    return barycentre([rows[a:b] for a, b in spans], weights)[0]


def _apart(one: Array, other: Array) -> float:
    return float(np.square(one - other).sum())


def _rounded(variances: Array) -> float:
    return round(max(float(np.sqrt(variances.mean())), _LEAST), 2)


def main() -> None:
    """Prints the table, or writes it to a file."""
    lines = [f"  {json.dumps(name)}: {json.dumps(list(row))}" for name, row in measured().items()]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text, encoding="utf-8")
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
