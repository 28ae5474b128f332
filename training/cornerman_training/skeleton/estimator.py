"""The errors of a landmark estimator, as measured on real clips. Knows no net, no picture.

Constants come from 55 clips of real people seen by BlazePose full at 8 samples a second. The median absolute second
difference is 6 mm (nose) to 12 mm (toes) in the plane of the picture and twice that in depth, at the hips 2 mm. Bone
lengths vary by 3 to 9 % within a clip. Visibility is near 1 or near 0, 0.2 at the lower quartile of the limbs. Depth is
compressed; the head is reported about 8 cm further to the front than it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cornerman_training.skeleton.camera import CameraShot
from cornerman_training.skeleton.posing import Array, unit, waves
from cornerman_training.skeleton.timing import FPS

SWAP = np.array([0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15, 18, 17])
_HARD = np.array([0.8, 0.7, 0.7, 0.8, 0.8, 1.1, 1.1, 1.6, 1.6, 0.4, 0.4, 1.0, 1.0, 1.3, 1.3, 1.5, 1.5, 1.8, 1.8])
_LIMBS = ([5, 7], [6, 8], [7], [8], [11, 13, 15, 17], [12, 14, 16, 18], [13, 15, 17], [14, 16, 18], [15, 17], [16, 18])
_LEFT = np.arange(1, 19, 2)


@dataclass(slots=True)
class Landmarks:
    """What an estimator reports: `image` [T,19,2] pixels, `world` [T,19,3] metres (hips at the origin, y down),
    `visibility` [T,19], `seen` [T]; `inside` [T,19] is the truth: the point lies in the picture."""  # fmt: skip

    image: Array
    world: Array
    visibility: Array
    seen: NDArray[np.bool_]
    inside: NDArray[np.bool_]


def _behind(world: Array, image: Array) -> Array:
    """[T, 19] in 0..1: legs behind the trunk, as of people on the floor whose head points at the camera."""
    across = np.hypot(*np.moveaxis(world[:, 3, :2] - world[:, 4, :2], -1, 0))
    metre = np.hypot(*np.moveaxis(image[:, 3] - image[:, 4], -1, 0)) / np.maximum(across, 0.05)
    middle = image[:, [3, 4, 9, 10]].mean(1, keepdims=True)
    apart = np.hypot(*np.moveaxis(image - middle, -1, 0)) / np.maximum(metre, 1.0)[:, None]
    depth = world[..., 2] - world[:, 3:5, 2].mean(1, keepdims=True)
    out: Array = np.clip((depth - 0.4) / 0.3, 0, 1) * np.clip((0.4 - apart) / 0.15, 0, 1)
    out[:, :11] = 0.0
    return out


def estimate(rng: Generator, shot: CameraShot) -> Landmarks:
    """Landmarks with jitter, bias, lag, wrong depth, glued and missing limbs, swaps and frames without a person."""
    camera, image = shot.camera[:, :19], shot.image[:, :19].copy()
    n = len(camera)
    good = rng.uniform(0.1, 1.5)  # some pictures are dark, small or blurred
    world = camera - camera[:, 9:11].mean(1, keepdims=True)
    pixels = float(np.median(np.abs(image[:, 3:5].mean(1) - image[:, 9:11].mean(1)).sum(-1))) / 0.45 + 1.0
    away = np.clip((world[..., 2] - 0.04) / 0.15, 0, 1) * shot.sideways[:, None] ** 2  # hidden by the near side
    away[:, :3] *= 0.1
    away = np.maximum(away, _behind(world, image))
    inside = (
        (image[..., 0] > -4)
        & (image[..., 0] < shot.width + 4)
        & (image[..., 1] > -4)
        & (image[..., 1] < shot.height + 4)
    )

    hard = _HARD[None, :, None] * good * (1 + 1.5 * away[..., None])
    jitter = waves(rng, n, 0.25, (19, 3)) * 0.7 + rng.standard_normal((n, 19, 3)) * 0.3
    bias = rng.standard_normal((1, 19, 3)) + 0.6 * waves(rng, n, 2.0, (19, 3))
    noise = hard * (jitter * np.array([0.012, 0.012, 0.045]) + bias * np.array([0.014, 0.014, 0.06]))

    # A far limb is drawn towards its near twin.
    face = unit(np.cross(camera[:, 3] - camera[:, 4], camera[:, 3:5].mean(1) - camera[:, 9:11].mean(1)))
    face *= -np.sign(np.sum(face * (camera[:, 0] - camera[:, 1:3].mean(1)), -1, keepdims=True)) * -1.0
    world[:, :3] += (face * rng.uniform(0.02, 0.14))[:, None] * np.array([[[1.0]], [[0.7]], [[0.7]]]).reshape(1, 3, 1)
    glue = np.where(rng.uniform(size=9) < 0.5, rng.uniform(0, 0.9, 9), 0.0)
    for k, j in enumerate(_LEFT):
        for a, b in ((j, j + 1), (j + 1, j)):
            w = (glue[k] * away[:, a])[:, None] if j > 4 else np.zeros((n, 1))
            world[:, a] = world[:, a] * (1 - w) + (world[:, b] + np.array([0, 0, 0.08])) * w
            image[:, a] = image[:, a] * (1 - w) + image[:, b] * w
    world[..., 2] *= rng.uniform(0.35, 1.1)
    world = world * rng.uniform(0.85, 1.15) + noise
    tilt = rng.normal(0.12, 0.09)  # BlazePose leans bodies towards the camera
    y, z = world[..., 1].copy(), world[..., 2].copy()
    world[..., 1], world[..., 2] = y * np.cos(tilt) - z * np.sin(tilt), y * np.sin(tilt) + z * np.cos(tilt)
    image = image + (hard * (jitter * 0.011 + bias * 0.009))[..., :2] * pixels
    visibility = np.clip(
        0.99 - away * rng.uniform(0.2, 1.1) - np.abs(waves(rng, n, 0.6, (19,))) * 0.03 * _HARD, 0.01, 1
    )
    if rng.uniform() < 0.5:  # lag of a smoothing estimator
        keep = rng.uniform(0.05, 0.35)
        for t in range(1, n):
            world[t] += keep * (world[t - 1] - world[t])
            image[t] += keep * (image[t - 1] - image[t])

    dim = np.where(rng.uniform(size=19) < 0.4, rng.uniform(0.05, 1.0, 19), 1.0)  # doubted, though near the truth
    dim[:5] = 1.0
    visibility = visibility * dim ** rng.choice([0.0, 1.0])
    for _ in range(rng.poisson(0.03 * n * good / 4)):  # a limb is lost for a while
        joints = _LIMBS[int(rng.integers(len(_LIMBS)))]
        start = int(rng.integers(n))
        stop = min(n, start + 1 + int(rng.exponential(0.5) * FPS))
        off = rng.standard_normal((1, len(joints), 3)) * 0.12
        world[start:stop, joints] += off
        image[start:stop, joints] += off[..., :2] * pixels
        visibility[start:stop, joints] *= rng.uniform(0.05, 0.9)
    if rng.uniform() < 0.1:  # a limb behind a bench, a plate or clothes all the time
        joints = _LIMBS[int(rng.integers(len(_LIMBS)))]
        world[:, joints] += 0.08 * waves(rng, n, 0.8, (len(joints), 3))
        visibility[:, joints] *= rng.uniform(0.05, 0.6)
    gone = ~inside
    if gone.any():  # outside the picture the estimator guesses a still, plausible limb
        mean = world.mean(0, keepdims=True) + 0.05 * waves(rng, n, 0.6, (19, 3))
        w = rng.uniform(0.3, 1.0) * gone[..., None]
        world = world * (1 - w) + mean * w
        edge = np.clip(image, -0.15 * shot.height, np.array([shot.width, shot.height]) * 1.15)
        image = np.where(gone[..., None], edge + 0.03 * pixels * waves(rng, n, 0.6, (19, 2)), image)
        visibility = np.where(gone, visibility * rng.uniform(0.0, 0.35), visibility)
    for _ in range(rng.poisson(0.5 * float(shot.sideways.mean()) + 0.15)):
        start = int(rng.integers(n))
        span = slice(start, start + 1 + int(rng.exponential(0.7) * FPS))
        world[span], image[span] = world[span][:, SWAP], image[span][:, SWAP]
        visibility[span] = visibility[span][:, SWAP]
    if rng.uniform() < 0.04:
        world, image, visibility, inside = world[:, SWAP], image[:, SWAP], visibility[:, SWAP], inside[:, SWAP]
    seen = inside[:, :11].sum(1) >= 3
    for _ in range(rng.poisson(0.6)):
        start = int(rng.integers(n))
        seen[start : start + int(rng.exponential(0.5) * FPS) + 1] = False
    world = world - world[:, 9:11].mean(1, keepdims=True)
    return Landmarks(image, world, visibility, seen, inside)
