"""Training sessions of the gym as the real estimator sees their pictures: render, estimate, keep.

    python -m cornerman_training.skeleton.rendered DIR --sessions 160 [--seed N]

The drawn errors of `estimator.py` are those of real people's clips. On a drawn figure the estimator errs in other ways,
which nothing but its own landmarks tells. `train --rendered DIR` mixes these sessions with the drawn ones.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.landmarks import PRESENT
from cornerman_pose.points import POINTS
from cornerman_pose.sides import SidesState, steady_legs
from cornerman_pose.subject import SubjectState, follow
from cornerman_training.gym.render import SessionRenderer
from cornerman_training.gym.session import GymSession
from cornerman_training.outputs import check_folder
from cornerman_training.sampling import CHUNK
from cornerman_training.skeleton.estimator import Landmarks
from cornerman_training.skeleton.gym_points import HEIGHT, landmark_points, own_shot
from cornerman_training.skeleton.kept_sessions import path_of, training_session
from cornerman_training.skeleton.timing import FPS

if TYPE_CHECKING:
    from cornerman_pose.estimator import PoseEstimator


def seen_in_pictures(session: GymSession, estimator: PoseEstimator, width: int = HEIGHT) -> Landmarks:
    """What the estimator makes of a session's pictures, `HEIGHT` pixels high; `inside` is the truth, as elsewhere."""
    renderer = SessionRenderer(session, width, HEIGHT, compress=True)
    shot = own_shot(session, landmark_points(session), width)
    points, count = shot.image[:, :19], session.frames
    x, y = points[..., 0], points[..., 1]
    inside: NDArray[np.bool_] = (x > -4) & (x < width + 4) & (y > -4) & (y < HEIGHT + 4)
    marks = Landmarks(
        np.zeros((count, 19, 2)), np.zeros((count, 19, 3)), np.zeros((count, 19)), np.zeros(count, np.bool_), inside
    )
    subject_state: SubjectState = {}
    sides: SidesState = {}
    for first in range(0, count, CHUNK):
        numbers = range(first, min(first + CHUNK, count))
        seen = estimator.estimate(np.stack([renderer.frame(k) for k in numbers]), [k / FPS for k in numbers])
        subject, subject_state = follow(seen, subject_state)
        if subject.switched:
            sides = {}
        if subject.row is None:
            continue
        track, sides = steady_legs(seen.person(subject.row), sides)
        rows = slice(first, first + len(numbers))
        marks.image[rows] = track.image_px[:, list(POINTS)]
        marks.world[rows] = track.world_m[:, list(POINTS)]
        marks.visibility[rows] = track.visibility[:, list(POINTS)]
        marks.seen[rows] = track.presence >= PRESENT
    return marks


def keep(folder: Path, seeds: range, estimator: PoseEstimator) -> Iterator[Path]:
    """Renders the sessions that the folder lacks, and yields each session's file.

    Raises:
        OSError: the folder cannot be written.
    """
    check_folder(folder)
    for seed in seeds:
        path = path_of(folder, seed)
        if not path.is_file():
            session, width = training_session(seed)
            marks = seen_in_pictures(session, estimator, width)
            np.savez_compressed(path, **{name: getattr(marks, name) for name in Landmarks.__slots__})
        yield path


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="for the sessions; those that are there are left")
    parser.add_argument("--sessions", type=int, default=160)
    parser.add_argument("--seed", type=int, default=0, help="of the first one")
    args = parser.parse_args()
    from cornerman_pose.estimator import PoseEstimator  # tests bring their own

    estimator = PoseEstimator.load()
    for done, _ in enumerate(keep(args.folder, range(args.seed, args.seed + args.sessions), estimator), 1):
        print(f"{done}/{args.sessions} sessions", end="\r", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
