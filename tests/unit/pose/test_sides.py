"""Legs keep their sides."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from cornerman_pose.landmarks import INDEX, MIRROR, LandmarkTrack
from cornerman_pose.sides import steady_legs
from tests.unit.pose.bodies import track

LEGS = [number for name, number in INDEX.items() if any(p in name for p in ("hip", "knee", "ankle", "heel", "foot"))]


def lunge(samples: int = 16) -> LandmarkTrack:
    """From the side, the left leg half a metre in front."""
    one = track(samples)
    world = one.world_m.copy()
    world[:, LEGS, 0] = 0.0
    for name in ("left_knee", "left_ankle", "left_heel", "left_foot_index"):
        world[:, INDEX[name], 0] = 0.5
    return replace(one, world_m=world, image_px=world[..., :2] * 90 + 150)


def exchanged(one: LandmarkTrack, *frames: int) -> LandmarkTrack:
    world, image = one.world_m.copy(), one.image_px.copy()
    for frame in frames:
        for array in (world, image):
            array[frame, LEGS] = array[frame][[MIRROR[number] for number in LEGS]]
    return replace(one, world_m=world, image_px=image)


@pytest.mark.parametrize("frames", [(3,), (3, 4, 5), (7, 8), (15,)])
def test_exchanged_frames_are_put_right(frames: tuple[int, ...]) -> None:
    done, _ = steady_legs(exchanged(lunge(), *frames))
    np.testing.assert_array_equal(done.world_m, lunge().world_m)


def test_right_legs_are_left_alone() -> None:
    one = lunge()
    assert steady_legs(one)[0] is one


def test_next_chunk_keeps_the_sides() -> None:
    """The first frames of the second chunk are exchanged; only the chunk before tells."""
    first, second = lunge(8), exchanged(lunge(8), 0, 1, 2, 3)
    _, state = steady_legs(first)
    late = replace(second, t_s=second.t_s + np.float32(0.5))
    done, state = steady_legs(late, state)
    np.testing.assert_array_equal(done.world_m, lunge(8).world_m)
    assert json.loads(json.dumps(state)) == state


def test_old_memory_says_nothing() -> None:
    _, state = steady_legs(lunge(8))
    other = exchanged(lunge(8), *range(8))
    late = replace(other, t_s=other.t_s + np.float32(9))
    assert steady_legs(late, state)[0] is late


def test_absence_keeps_the_memory() -> None:
    _, state = steady_legs(lunge(8))
    nobody = replace(lunge(8), presence=np.zeros(8, np.float32))
    assert steady_legs(nobody, state) == (nobody, state)


def test_picture_must_agree() -> None:
    """Metres alone jump when depth is misjudged; the legs in the picture then stay."""
    one = exchanged(lunge(), 5)
    misjudged = replace(one, image_px=lunge().image_px)
    assert steady_legs(misjudged)[0] is misjudged
