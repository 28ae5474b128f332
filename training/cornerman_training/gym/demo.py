"""The session of the bundled clip: five exercises in a minute, a mistake in each, in a light room.

The timeline, the room and the clothes are written here; the person's bones, manner and the coach's wordings come from a
seed of the split `test`, so that the bundled coach was not trained with them. Of the seeds 1 to 6, the coach is right
about every repetition with 3 to 6 and wrong about one with 1 and 2; 4 was taken.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cornerman_training.gym.body import draw_body
from cornerman_training.gym.exercises import draw_style
from cornerman_training.gym.figure import SHAPE
from cornerman_training.gym.scene import Scene
from cornerman_training.gym.session import assemble_session
from cornerman_training.gym.splits import Split, seeded
from cornerman_training.gym.timeline import MotionSegment, Rep
from cornerman_training.gym.truth import write_truth
from cornerman_training.gym.video import write_video

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.random import Generator

    from cornerman_training.gym.body import Body
    from cornerman_training.gym.kinematics import Array
    from cornerman_training.gym.session import GymSession

SEED: Final = 4
SPLIT: Final[Split] = "test"
DURATION_S: Final = 60.0
REST_S, TRANSITION_S, TAIL_S = 1.0, 1.3, 0.9
WIDTH, HEIGHT = 854, 480
CRF: Final = 26


@dataclass(frozen=True, slots=True)
class WrittenSet:
    """Repetitions of one exercise: the mistake of each, "" for a good one; `tempo_s` is the length of one."""

    exercise: str
    tempo_s: float
    mistakes: tuple[str, ...]


SETS: Final = (
    WrittenSet("squat", 2.2, ("", "round_back", "")),
    WrittenSet("jumping_jack", 1.45, ("", "one_arm", "", "", "")),
    WrittenSet("overhead_press", 2.0, ("", "uneven", "")),
    WrittenSet("push_up", 2.0, ("", "hips_high", "", "", "")),
    WrittenSet("lunge", 2.2, ("", "leaning_forward", "")),
)


def written_segments(sets: tuple[WrittenSet, ...], rng: Generator, duration_s: float) -> list[MotionSegment]:
    """Segments of `sets` from 0 to `duration_s`: a rest before each set and after the last.

    Raises:
        ValueError: if the sets take longer than `duration_s`.
    """
    out: list[MotionSegment] = []
    time = 0.0

    def add(kind: str, end_s: float, reps: tuple[Rep, ...] = ()) -> None:
        nonlocal time
        out.append(MotionSegment(kind, time, end_s, draw_style(rng), int(rng.integers(1 << 31)), reps))
        time = end_s

    for written in sets:
        add("rest", time + REST_S)
        at, reps = time + TRANSITION_S, []
        for mistake in written.mistakes:
            length = written.tempo_s * float(rng.uniform(0.96, 1.04))
            reps.append(Rep(written.exercise, mistake, 1.15, at, at + length))
            at += length + float(rng.uniform(0.25, 0.4))
        add(written.exercise, reps[-1].end_s + TAIL_S, tuple(reps))
    if time > duration_s:
        raise ValueError(f"the sets take {time:.1f} s: leave some out, or choose more than {duration_s:.1f} s")
    add("rest", duration_s)
    return out


def light_room(person_m: float) -> Scene:
    """A light room with daylight from the front, framed for a person of `person_m` metres."""
    view = np.radians(44.0)
    wall_z, wall_x = 2.1, -3.4
    elevation, around = np.radians(52.0), np.radians(28.0)
    towards = np.cos(elevation) * np.sin(around), np.sin(elevation), np.cos(elevation) * np.cos(around)
    key, ambient, warmth, rim = 0.62, 0.62, 0.03, 0.10
    wall, panel, skirting = (0.90, 0.89, 0.86), (0.84, 0.83, 0.80), 0.10
    wood, mat = (0.80, 0.64, 0.46), (0.16, 0.50, 0.56)
    frame, sky, green, shelf = (0.95, 0.95, 0.93), (0.74, 0.88, 0.97), (0.35, 0.58, 0.38), (0.78, 0.62, 0.44)
    boxes = [
        [-2.5, 0.95, -wall_z, -1.5, 2.0, -wall_z + 0.03, *frame, *sky, 1, 0.05],
        [1.35, 1.2, -wall_z, 1.95, 1.85, -wall_z + 0.03, *frame, *green, 2, 0.04],
        [2.3, 0.0, -wall_z, 3.1, 1.7, -wall_z + 0.35, *shelf, *[c * 0.72 for c in shelf], 3, 0.04],
        [-1.35, 0.0, -wall_z, -0.75, 0.42, -wall_z + 0.4, 0.86, 0.45, 0.34, 0.7, 0.36, 0.28, 0, 0.0],
    ]
    return Scene(
        azimuth=float(np.radians(48.0)),
        lie_azimuth=float(np.radians(78.0)),
        camera_height=1.25,
        distance=float(0.5 * 1.5 * person_m / np.tan(view / 2)),
        look_height=0.59 * person_m,
        view=float(view),
        roll=0.0,
        light=np.array([*towards, key, ambient, warmth, rim]),
        walls=np.array([0.06, wall_z, wall_x, 6, 0.2, *wall, *panel, skirting]),
        floor=np.array([3, 0.3, *wood, *[c * 0.7 for c in wood], 0.45, 1.0, np.radians(-78.0), *mat]),
        boxes=np.array(boxes, dtype=np.float64),
        props=_ball(x=1.6, z=-1.4, radius=0.27, colour=(0.93, 0.60, 0.20)),
        texture_seed=7,
        noise=0.0,
        blur=0.0,
        flicker=0.0,
        jpeg=0,
    )


def _ball(x: float, z: float, radius: float, colour: tuple[float, float, float]) -> Array:
    """A ball on the floor as the one row of `Scene.props`, see `figure.py`."""
    row = np.zeros((1, SHAPE))
    row[0, 1:4] = x, radius, z
    row[0, 5:8] = x, radius + 1e-3, z
    row[0, 4] = row[0, 8] = radius
    row[0, 14:17] = row[0, 17:20] = colour
    return row


def dressed(body: Body) -> Body:
    """The person in short clothes that stand out from the room."""
    return replace(
        body,
        shirt=(0.86, 0.25, 0.22),
        trousers=(0.16, 0.19, 0.30),
        shoes=(0.95, 0.95, 0.95),
        sleeves=0.3,
        legs=0.42,
        pattern=0,
    )


def demo_session(fps: float = 30.0, seed: int = SEED) -> GymSession:
    """The planned session of the bundled clip."""
    body = dressed(draw_body(seeded(seed, SPLIT, "body"), SPLIT))
    return assemble_session(
        written_segments(SETS, seeded(seed, SPLIT, "timeline"), DURATION_S),
        body,
        light_room(body.height),
        seed=seed,
        split=SPLIT,
        kind="exercise",
        fps=fps,
        duration_s=DURATION_S,
    )


def render_demo(out: Path, progress: Callable[[int, int], None] | None = None) -> GymSession:
    """Renders the bundled clip to `out` (.mp4), with its truth beside it as .json and .vtt.

    Calls `progress(frames done, frames in all)`.

    Raises:
        ValueError: for a path that does not end in .mp4.
    """
    if out.suffix != ".mp4":
        raise ValueError(f"out is {out.name!r}: the video's name must end in .mp4")
    session = demo_session()
    out.parent.mkdir(parents=True, exist_ok=True)
    write_video(session, out, WIDTH, CRF, progress, height=HEIGHT)
    write_truth(session, out)
    return session
