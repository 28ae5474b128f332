"""Plans a session: joints, labels and true feedbacks over time, all from one seed. Renders nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cornerman_training.gym.body import draw_body
from cornerman_training.gym.coach import coach, streaks
from cornerman_training.gym.kinematics import joined, solve, turned
from cornerman_training.gym.labels import ACTIVITIES, FAULTS, KINDS, OTHER, WITH_WEIGHTS
from cornerman_training.gym.scene import draw_scene
from cornerman_training.gym.splits import check_split, seeded
from cornerman_training.gym.timeline import crouch, plan_segments

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cornerman_training.gym.body import Body
    from cornerman_training.gym.coach import TimedFeedback
    from cornerman_training.gym.kinematics import Array
    from cornerman_training.gym.scene import Scene
    from cornerman_training.gym.splits import Split
    from cornerman_training.gym.timeline import MotionSegment, Rep


@dataclass(frozen=True, slots=True)
class GymSession:
    """A planned session with all its labels; T frames at `fps`.

    Attributes:
        joints: [T, 18, 3] metres in the world: x right, y up, z towards the camera.
        visible: [T] whether the person is in the picture.
        gear: [T] whether the hands hold dumbbells.
        activity: [T] index into `ACTIVITIES`.
        phase: [T] 0..1 within a repetition, -1 outside.
        fault: [T] index into `FAULTS` within a faulty repetition, -1 elsewhere.
        shown: [T] 0..1, how far the mistake shows in this frame.
        streak: [T] good repetitions in a row since the last praise.
    """

    seed: int
    split: Split
    kind: str
    fps: float
    duration_s: float
    body: Body
    scene: Scene
    joints: Array
    visible: NDArray[np.bool_]
    gear: NDArray[np.bool_]
    activity: NDArray[np.int64]
    phase: Array
    fault: NDArray[np.int64]
    shown: Array
    streak: NDArray[np.int64]
    reps: tuple[Rep, ...]
    feedbacks: tuple[TimedFeedback, ...]

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.phase)


def _smooth(x: Array) -> Array:
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3 - 2 * x)


def _move(segments: list[MotionSegment], body: Body, scene: Scene, time: Array) -> Array:
    """Joints [T,18,3]: each segment's pose, with a smooth transition from the one before."""
    parts: list[Array] = []
    for number, segment in enumerate(segments):
        last = number == len(segments) - 1
        now = time[(time >= segment.start_s) & ((time < segment.end_s) | last)]
        if len(now) == 0:
            continue
        pose = segment.pose(body, now)
        yaw = np.full(len(now), scene.lie_azimuth if segment.lying else scene.azimuth)
        before = segments[number - 1] if number else None
        if before is not None and before.kind != "nobody":
            transition_s = 1.1 if before.lying != segment.lying else 0.7
            w = (now - segment.start_s) / transition_s
            start = before.pose(body, np.array([before.end_s])).row(0, len(now))
            # Between standing and lying the body passes through a crouch.
            if before.lying != segment.lying:
                middle = crouch(body, len(now))
                blend = start.mixed(middle, _smooth(w * 2)).mixed(pose, _smooth(w * 2 - 1))
            else:
                blend = start.mixed(pose, _smooth(w))
            # Only frames of the transition are blended; later ones are the pose itself.
            arrived = np.searchsorted(w, 1.0)
            pose = joined([blend.cut(0, int(arrived)), pose.cut(int(arrived), len(now))])
            yaw_from = scene.lie_azimuth if before.lying else scene.azimuth
            yaw = yaw_from + (yaw - yaw_from) * _smooth(w)
        drift = np.zeros(len(now))
        parts.append(turned(solve(body, pose), yaw, drift, drift))
    return np.concatenate(parts)


def plan_session(
    seed: int,
    split: str = "train",
    *,
    fps: float = 30.0,
    duration_s: float | None = None,
    kind: str | None = None,
) -> GymSession:
    """Plans one session; equal arguments give equal sessions.

    Args:
        seed: any integer.
        split: "train", "validation" or "test".
        fps: frames a second of the labels and of the picture.
        duration_s: length in seconds; None: 20-120, by the seed.
        kind: "exercise", "quiet" (rest, holds, other motion, empty room) or "footage" (moving pictures without a
            person); None: by the seed.

    Raises:
        ValueError: for an unknown split or kind, or a duration outside 2-600 s.
    """
    part = check_split(split)
    # One stream per purpose, so that a new draw in one does not change the others.
    rng = seeded(seed, part, "session")
    chosen = str(rng.choice(["exercise"] * 8 + ["quiet", "footage"])) if kind is None else kind
    if chosen not in KINDS:
        raise ValueError(f"unknown session kind {kind!r}: choose one of {', '.join(KINDS)}")
    length = float(rng.integers(20, 121)) if duration_s is None else float(duration_s)
    if not 2.0 <= length <= 600.0:
        raise ValueError(f"duration_s is {length}: choose 2 to 600 seconds")
    if not 1.0 <= fps <= 120.0:
        raise ValueError(f"fps is {fps}: choose 1 to 120 frames a second")
    body = draw_body(seeded(seed, part, "body"), part)
    scene = draw_scene(seeded(seed, part, "scene"), part, body.height)
    segments = plan_segments(seed, part, length, quiet=chosen != "exercise")
    return assemble_session(segments, body, scene, seed=seed, split=part, kind=chosen, fps=fps, duration_s=length)


def assemble_session(
    segments: list[MotionSegment],
    body: Body,
    scene: Scene,
    *,
    seed: int,
    split: Split,
    kind: str,
    fps: float,
    duration_s: float,
) -> GymSession:
    """Computes joints, labels and true feedbacks of `segments`, which cover 0 to `duration_s` without gaps."""
    time = np.arange(round(duration_s * fps)) / fps
    count = len(time)
    activity = np.zeros(count, dtype=np.int64)
    gear = np.zeros(count, dtype=np.bool_)
    phase = np.full(count, -1.0)
    fault = np.full(count, -1, dtype=np.int64)
    shown = np.zeros(count)
    for segment in segments:
        name = "other" if segment.kind in OTHER else segment.kind
        inside = time >= segment.start_s
        activity[inside] = ACTIVITIES.index(name)
        gear[inside] = segment.kind in WITH_WEIGHTS
        for rep in segment.reps:
            during = (time >= rep.start_s) & (time < rep.end_s)
            phase[during] = (time[during] - rep.start_s) / (rep.end_s - rep.start_s)
            if rep.mistake:
                fault[during] = FAULTS.index(f"{rep.exercise}:{rep.mistake}")
                shown[during] = np.sin(np.pi * phase[during])
    if kind == "footage":
        activity[:] = ACTIVITIES.index("nobody")
    reps = tuple(rep for segment in segments for rep in segment.reps)
    return GymSession(
        seed=seed,
        split=split,
        kind=kind,
        fps=fps,
        duration_s=duration_s,
        body=body,
        scene=scene,
        joints=_move(segments, body, scene, time),
        visible=activity != ACTIVITIES.index("nobody"),
        gear=gear,
        activity=activity,
        phase=phase,
        fault=fault,
        shown=shown,
        streak=streaks(segments, time),
        reps=reps,
        feedbacks=coach(segments, seeded(seed, split, "words"), split),
    )
