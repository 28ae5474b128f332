"""What the estimator makes of a pose, without a picture: its errors on drawn figures, learned from rendered sessions.

A small net reads a pose in front of a camera and gives mean and spread of the estimator's error. Over the mean lies the
residual of another session in units of the spread, so that errors last as long as they do in pictures. A session takes
20 ms; to render and estimate one takes 8 s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn

from cornerman_training.skeleton.camera import CameraShot
from cornerman_training.skeleton.estimator import SWAP, Landmarks, estimate
from cornerman_training.skeleton.gym_points import landmark_points, own_shot
from cornerman_training.skeleton.kept_sessions import KeptSession
from cornerman_training.skeleton.posing import Array
from cornerman_training.skeleton.timing import FPS

Floats = NDArray[np.float32]

_POINTS: Final = 19
_HALVES: Final = (np.arange(0, 9), np.arange(9, _POINTS))
"""Points of the upper and of the lower body: the estimator swaps left and right in one or the other."""

_WORLD, _IMAGE = _POINTS * 3, _POINTS * 2
_ERRORS: Final = _WORLD + _IMAGE + _POINTS
_WORLD_UNIT, _IMAGE_UNIT = 4.0, 6.0
_MOST: Final = 0.9
"""Errors of a point are at most so many lengths of the torso."""

_SWAP_S: Final = 0.6
"""How long swaps and losses last, time constant in seconds."""

_WHOLE: Final = 0.97
"""Share of points that must lie in the picture: rendered sessions tell nothing about bodies cut by its edge."""

_FEWEST: Final = 100  # frames of a residual
_APART_M: Final = 0.25
"""Two estimates farther apart than this, mean of all points, are swapped or lost, and have nothing between them."""


@dataclass(frozen=True, slots=True)
class Posture:
    """Poses in front of a camera.

    Attributes:
        inputs: [T, D] of the net.
        torso_m: length of the torso.
        torso_px: [T] the same in the picture, where it is parallel to it.
        world: [T,19,3] metres from the hips, as the camera sees them.
        image: [T,19,2] pixels.
        inside: [T,19] the point lies in the picture.
    """

    inputs: Floats
    torso_m: float
    torso_px: Array
    world: Array
    image: Array
    inside: NDArray[np.bool_]

    @classmethod
    def of(cls, shot: CameraShot) -> Posture:
        """Those of a shot."""
        camera, image = shot.camera[:, :_POINTS], np.clip(shot.image[:, :_POINTS], -4000.0, 4000.0)
        hips = camera[:, 9:11].mean(1, keepdims=True)
        world = camera - hips
        torso_m = float(np.median(np.linalg.norm(world[:, 3:5].mean(1), axis=-1)))
        away = np.maximum(hips[:, 0, 2], 0.3)
        plane = camera[..., :2] / np.maximum(camera[..., 2:], 0.05)
        focal = np.median(np.abs(image[:, 0] - image[:, 18]) / np.maximum(np.abs(plane[:, 0] - plane[:, 18]), 1e-3))
        torso_px = np.clip(focal / away * torso_m, 5.0, 400.0)
        size = np.array([shot.width, shot.height])
        inside: NDArray[np.bool_] = np.all((image > -4) & (image < size + 4), axis=-1)
        before = np.concatenate([world[:1], world[:-1]])
        earlier = np.concatenate([world[:1], before[:-1]])
        parts = (
            world / torso_m,
            (image - image[:, 9:11].mean(1, keepdims=True)) / torso_px[:, None, None],
            (world - before) / torso_m * 3,
            (before - earlier) / torso_m * 3,
            hips[:, 0, :2] / away[:, None],
            np.log(torso_px)[:, None] - 4,
            inside.astype(np.float64),
            image[:, [0, 9, 13, 14]] / size - 0.5,
        )
        inputs = np.concatenate([part.reshape(len(world), -1) for part in parts], axis=1)
        return cls(np.nan_to_num(inputs).astype(np.float32), torso_m, torso_px, world, image, inside)

    def landmarks(self, errors: Array) -> Landmarks:
        """The landmarks that have the errors [T, E], seen in every frame."""
        frames = len(errors)
        world, image = errors[:, :_WORLD] / _WORLD_UNIT, errors[:, _WORLD : _WORLD + _IMAGE] / _IMAGE_UNIT
        off_m = np.clip(world, -_MOST, _MOST).reshape(frames, _POINTS, 3) * self.torso_m
        off_px = np.clip(image, -_MOST, _MOST).reshape(frames, _POINTS, 2) * self.torso_px[:, None, None]
        visibility = _sigmoid(np.clip(errors[:, _WORLD + _IMAGE :], -6.0, 6.0))
        seen = np.ones(frames, np.bool_)
        return Landmarks(self.image + off_px, self.world + off_m, visibility, seen, self.inside)


@dataclass(frozen=True, slots=True)
class SeenErrors:
    """What the estimator made of a session: `inputs` [T, D], `errors` [T, E], `swapped` [T, 2], `seen`, `there` [T]."""

    inputs: Floats
    errors: Floats
    swapped: Floats
    seen: NDArray[np.bool_]
    there: NDArray[np.bool_]

    @classmethod
    def of(cls, kept: KeptSession) -> SeenErrors:
        """Those of a rendered session; swaps are undone, so that what is left is small."""
        there = np.asarray(kept.session.visible, np.bool_)
        posture = Posture.of(own_shot(kept.session, landmark_points(kept.session), kept.width))
        marks = kept.marks
        marks = Landmarks(marks.image.copy(), marks.world.copy(), marks.visibility.copy(), marks.seen, marks.inside)
        swapped = np.stack([_undone(posture, marks, half) for half in _HALVES], axis=-1)
        world = (marks.world - posture.world) / posture.torso_m * _WORLD_UNIT
        image = (marks.image - posture.image) / posture.torso_px[:, None, None]
        visibility = np.clip(marks.visibility, 0.003, 0.997)
        parts = (world, np.clip(image, -3, 3) * _IMAGE_UNIT, np.log(visibility / (1 - visibility)))
        errors = np.concatenate([part.reshape(len(world), -1) for part in parts], axis=1)
        return cls(posture.inputs, errors.astype(np.float32), swapped.astype(np.float32), marks.seen & there, there)


def _undone(posture: Posture, marks: Landmarks, half: NDArray[np.int64]) -> NDArray[np.bool_]:
    """[T]: left and right are swapped in a half of the body; in `marks` they are put back."""
    px = posture.torso_px[:, None, None]

    def away(turned: bool) -> Array:
        image, world = (a[:, SWAP] if turned else a for a in (marks.image, marks.world))
        apart_px = np.linalg.norm(((image - posture.image) / px)[:, half], axis=-1).sum(1)
        apart_m = np.linalg.norm((world - posture.world)[:, half], axis=-1).sum(1)
        out: Array = apart_px + 0.5 * apart_m / posture.torso_m
        return out

    as_given = away(turned=False)
    swapped: NDArray[np.bool_] = (away(turned=True) < 0.8 * as_given) & (as_given > 0.8)
    _swap(marks, swapped, half)
    return swapped


def _swap(marks: Landmarks, frames: NDArray[np.bool_], half: NDArray[np.int64]) -> None:
    """Swaps left and right of a half of the body in some frames."""
    for array in (marks.image, marks.world, marks.visibility):
        array[np.ix_(frames, half)] = array[np.ix_(frames, SWAP[half])]


class ErrorNet(nn.Module):
    """Pose [T, D] -> mean and log spread of the error [T, E] each, and logits [T, 3] of seen and of two swaps."""

    def __init__(self, inputs: int, hidden: int = 320) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("std", torch.ones(inputs))
        self.first = nn.Linear(inputs, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.third = nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, 2 * _ERRORS + 3)

    def forward(self, pose: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean, log spread, logits."""
        x = F.relu(self.first(((pose - self.mean) / self.std).clamp(-6, 6)))
        x = x + F.relu(self.second(x))
        x = x + F.relu(self.third(F.dropout(x, 0.2, self.training)))
        mean, spread, logits = self.last(x).split((_ERRORS, _ERRORS, 3), dim=-1)
        return mean, spread.clamp(-4, 2.5), logits

    def residual(self, seen: SeenErrors) -> Floats:
        """[T, E]: what the mean leaves of a session's errors, in units of the spread."""
        with torch.no_grad():
            mean, spread, _ = self(torch.from_numpy(seen.inputs))
            out: Floats = ((torch.from_numpy(seen.errors) - mean) * torch.exp(-spread)).clamp(-8, 8).numpy()
        return out


def learn_errors(sessions: Sequence[SeenErrors], steps: int) -> ErrorNet:
    """The net taught by sessions: a Laplace likelihood, since some errors are large."""
    inputs, errors, swapped = (
        torch.from_numpy(np.concatenate([getattr(s, name)[s.seen] for s in sessions]))
        for name in ("inputs", "errors", "swapped")
    )
    all_inputs = torch.from_numpy(np.concatenate([s.inputs[s.there] for s in sessions]))
    all_seen = torch.from_numpy(np.concatenate([s.seen[s.there] for s in sessions])).float()
    net = ErrorNet(inputs.shape[1])
    net.mean.copy_(inputs.mean(0))
    net.std.copy_(inputs.std(0).clamp_min(0.02))
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.1)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * (0.5 + 0.5 * float(np.cos(np.pi * step / steps))) + 1e-5
        pick = torch.randint(len(inputs), (512,))
        given = inputs[pick]
        mean, spread, logits = net(given + 0.03 * torch.randn_like(given) * net.std)
        likely = (spread + (errors[pick] - mean).abs() * torch.exp(-spread)).mean()
        swaps = F.binary_cross_entropy_with_logits(logits[:, 1:], swapped[pick])
        pick = torch.randint(len(all_inputs), (512,))
        lost = F.binary_cross_entropy_with_logits(net(all_inputs[pick])[2][:, 0], all_seen[pick])
        optimizer.zero_grad()
        torch.autograd.backward(likely + 0.3 * swaps + 0.3 * lost)
        optimizer.step()
    return net.eval()


class Imitator:
    """Stands in for pictures and the estimator.

    Args:
        net: of the errors.
        residuals: [T, E] each, of sessions that the net was not taught by.
    """

    def __init__(self, net: ErrorNet, residuals: Sequence[Floats]) -> None:
        self._net, self._residuals = net, residuals

    @classmethod
    def learn(cls, sessions: Sequence[KeptSession], steps: int) -> Imitator:
        """Learns from rendered sessions; a residual comes from a net that was taught by the other half of them.

        Raises:
            ValueError: fewer than two sessions show a person for long enough.
        """
        errors = [SeenErrors.of(kept) for kept in sessions]
        errors = [one for one in errors if one.seen.sum() > _FEWEST]
        if len(errors) < 2:
            raise ValueError(f"{len(sessions)} rendered sessions show too little of a person: render more")
        residuals = []
        for half in (0, 1):
            net = learn_errors(errors[half::2], steps)
            residuals += [_filled(net.residual(one), one.seen) for one in errors[1 - half :: 2]]
        return cls(learn_errors(errors, steps), residuals)

    def imitate(self, rng: Generator, shot: CameraShot) -> Landmarks:
        """What the estimator would make of a shot, with its errors on drawn figures."""
        posture = Posture.of(shot)
        frames = len(posture.inputs)
        with torch.no_grad():
            mean, spread, logits = (out.numpy() for out in self._net(torch.from_numpy(posture.inputs)))
        residual = self._residuals[int(rng.integers(len(self._residuals)))]
        residual = residual[::-1] if rng.uniform() < 0.5 else residual
        turns = -(-frames // (2 * len(residual)))
        residual = np.concatenate([residual, residual[::-1]] * turns)[:frames]
        marks = posture.landmarks((mean + residual * np.exp(spread)).astype(np.float64))
        chance = torch.special.ndtr(torch.from_numpy(_lasting(rng, frames, 3))).numpy()
        unseen, *swapped = (chance - _sigmoid(logits)).T
        for frame_swapped, half in zip(swapped, _HALVES, strict=True):
            _swap(marks, frame_swapped < 0, half)
        marks.seen = unseen < 0
        return marks

    def between(self, rng: Generator, shot: CameraShot) -> Landmarks:
        """Errors on drawn figures, or drawn errors as of people's clips, or something between the two.

        Bodies cut by the edge of the picture have drawn errors.
        """
        drawn = estimate(rng, shot)
        if rng.uniform() < 0.35 or drawn.inside.mean() < _WHOLE:
            return drawn
        marks = self.imitate(rng, shot)
        share = 1.0 if rng.uniform() < 0.4 else float(rng.uniform(0.0, 1.1))
        near = float(np.linalg.norm(marks.world - drawn.world, axis=-1).mean()) < _APART_M
        if share != 1.0 and near:
            clear = float(rng.uniform())
            marks.world = marks.world * share + drawn.world * (1 - share)
            marks.image = marks.image * share + drawn.image * (1 - share)
            marks.visibility = marks.visibility * clear + drawn.visibility * (1 - clear)
            marks.seen &= drawn.seen
        return marks


def _sigmoid(x: Array | Floats) -> Array:
    out: Array = 1.0 / (1.0 + np.exp(-x.astype(np.float64)))
    return out


def _filled(residual: Floats, seen: NDArray[np.bool_]) -> Floats:
    """The residual with that of the frame seen last in place of frames without a person."""
    last = np.maximum.accumulate(np.where(seen, np.arange(len(seen)), -1))
    return residual[np.where(last < 0, int(np.argmax(seen)), last)]


def _lasting(rng: Generator, frames: int, count: int) -> Array:
    """[T, N] standard normal values that change within `_SWAP_S`."""
    keep = float(np.exp(-1.0 / FPS / _SWAP_S))
    out = rng.standard_normal((frames, count))
    for at in range(1, frames):
        out[at] = keep * out[at - 1] + np.sqrt(1 - keep * keep) * out[at]
    return out
