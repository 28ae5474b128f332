"""Landmarks to features on a fixed grid of 8 a second: free of scale, place and camera heading, causal, numpy only.

Training and serving share this file. It keeps a small state per source and knows neither nets nor exercises.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.channels import CHANNELS
from cornerman_pose.channels import FPS as FPS
from cornerman_pose.direct import direct_channels
from cornerman_pose.points import POINTS

Array = NDArray[np.float64]
MIRROR = np.array([0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15, 18, 17])
_MAX_GAP_S = 0.45
_TRIPLES = ((3, 5, 7), (4, 6, 8), (9, 3, 5), (10, 4, 6), (3, 9, 11), (4, 10, 12), (9, 11, 13), (10, 12, 14),
            (11, 13, 17), (12, 14, 18), (1, 3, 9), (2, 4, 10), (3, 9, 13), (4, 10, 14))  # fmt: skip
_BONES = ((9, 3), (10, 4), (9, 11), (10, 12), (11, 13), (12, 14), (3, 5), (4, 6), (5, 7), (6, 8), (3, 1), (4, 2))
_A, _B, _C = (np.array([t[i] for t in _TRIPLES]) for i in range(3))
_U, _V = (np.array([b[i] for b in _BONES]) for i in range(2))
COUNT = 19 * 3 + 19 * 2 + 19 * 2 + 19 + 2 * len(_TRIPLES) + 3 * len(_BONES) + 16 + len(CHANNELS) + 4
SIDE = COUNT - 4  # 0 front view, 1 side view
DIRECT = slice(COUNT - 4 - len(CHANNELS), COUNT - 4)  # channels of `measures.py` as the landmarks show them


@dataclass(slots=True)
class BodyState:
    """Slow quantities of one source (or of a batch [B]): scale, picture scale, place, heading, left-right order."""

    count: Array
    torso: Array
    ratio: Array
    origin: Array
    axis: Array
    last: Array
    flip: NDArray[np.bool_]

    @classmethod
    def empty(cls, batch: int) -> BodyState:
        """State before the first frame of `batch` sources."""
        zero = np.zeros(batch)
        return cls(zero, zero.copy(), zero.copy(), np.zeros((batch, 2)), np.zeros((batch, 2)),
                   np.full((batch, 19, 3), np.nan), np.zeros(batch, dtype=bool))  # fmt: skip


def _norm(v: Array) -> Array:
    out: Array = np.sqrt(np.sum(v * v, axis=-1))
    return out


def _angles(p: Array) -> Array:
    """Angles of `_TRIPLES` in half turns, minus one half: 0.5 is straight."""
    u, v = p[..., _A, :] - p[..., _B, :], p[..., _C, :] - p[..., _B, :]
    cos = np.sum(u * v, -1) / np.maximum(_norm(u) * _norm(v), 1e-9)
    out: Array = np.arccos(np.clip(cos, -1.0, 1.0)) / np.pi - 0.5
    return out


def _sag(p: Array) -> Array:
    """Hips below (+) the lines from shoulder to ankle and from shoulder to knee, over the line's length [..., 4]."""
    out = []
    for shoulder, hip, end in ((3, 9, 13), (4, 10, 14), (3, 9, 11), (4, 10, 12)):
        line = p[..., end, :] - p[..., shoulder, :]
        length = np.maximum(_norm(line), 1e-3)
        off = p[..., hip, :] - p[..., shoulder, :]
        cross = line[..., 0] * off[..., 1] - line[..., 1] * off[..., 0]
        out.append(np.sign(line[..., 0]) * cross / length**2)
    return np.stack(out, axis=-1)


def _track(
    state: BodyState, image: Array, world: Array, visibility: Array, seen: NDArray[np.bool_]
) -> tuple[Array, ...]:
    """Undo left-right swaps and follow the slow quantities, frame by frame; arrays are changed in place."""
    batch, frames = seen.shape
    torso, ratio, origin, axis = (np.zeros((batch, frames)), np.zeros((batch, frames)), np.zeros((batch, frames, 2)),
                                  np.zeros((batch, frames, 2)))  # fmt: skip
    for t in range(frames):
        on = seen[:, t]
        w = world[:, t]
        flipped = np.where(state.flip[:, None, None], w[:, MIRROR], w)
        other = np.where(state.flip[:, None, None], w, w[:, MIRROR])
        same, swapped = (np.nan_to_num(_norm(x - state.last)[:, 3:].sum(-1)) for x in (flipped, other))
        change = on & (swapped < 0.55 * same) & (same > 1.2)
        state.flip = np.where(on, state.flip ^ change, state.flip)
        flip = state.flip
        if flip.any():
            world[flip, t] = world[flip, t][:, MIRROR]
            image[flip, t] = image[flip, t][:, MIRROR]
            visibility[flip, t] = visibility[flip, t][:, MIRROR]
        w, x = world[:, t], image[:, t]
        state.last = np.where(on[:, None, None], w, state.last)
        state.count = state.count + on

        def follow(old: Array, new: Array, seconds: float, on: NDArray[np.bool_] = on) -> Array:
            gain = np.maximum(1.0 - np.exp(-1.0 / FPS / seconds), 1.0 / np.maximum(state.count, 1.0)) * on
            gain = gain.reshape((-1,) + (1,) * (new.ndim - 1))
            out: Array = old + gain * (new - old)
            return out

        state.torso = follow(state.torso, _norm(w[:, 3:5].mean(1)), 2.0)
        flat = w[..., :2] - w[..., :2].mean(1, keepdims=True)
        spread = x - x.mean(1, keepdims=True)
        size = np.sqrt(np.sum(spread**2, (1, 2)) / np.maximum(np.sum(flat**2, (1, 2)), 1e-6))
        state.ratio = follow(state.ratio, size, 3.0)
        state.origin = follow(state.origin, x[:, 9:11].mean(1), 4.0)
        heading = (w[:, 3] - w[:, 4]) + (w[:, 9] - w[:, 10])
        state.axis = follow(state.axis, heading[:, [0, 2]], 0.5)
        torso[:, t], ratio[:, t], origin[:, t], axis[:, t] = state.torso, state.ratio, state.origin, state.axis
    return torso, ratio, origin, axis


def extract(
    state: BodyState, image: Array, world: Array, visibility: Array, seen: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Features of frames on the grid.

    Args:
        state: of B sources; changed in place.
        image: [B,T,19,2] pixels.
        world: [B,T,19,3] metres, hips at the origin, y down, z away from the camera.
        visibility: [B,T,19] in 0..1.
        seen: [B,T], whether a person was found.

    Returns:
        [B, T, COUNT]; zero where no person was found.
    """
    mask = seen[..., None, None]
    image, world = np.where(mask, image, 0.0), np.where(mask, world, 0.0)
    visibility = np.where(seen[..., None], visibility, 0.0)
    world = world - world[..., 9:11, :].mean(-2, keepdims=True)
    torso, ratio, origin, axis = _track(state, image, world, visibility, seen)
    torso = np.maximum(torso, 0.15)
    p = world / torso[..., None, None]
    heading = np.arctan2(axis[..., 1], axis[..., 0])
    cos, sin = np.cos(heading)[..., None], np.sin(heading)[..., None]
    turned = np.stack([p[..., 0] * cos + p[..., 2] * sin, -p[..., 0] * sin + p[..., 2] * cos], axis=-1)
    pixel = np.maximum(ratio * torso, 1e-3)[..., None, None]
    flat = (image - origin[..., None, :]) / pixel
    bones3, bones2 = p[..., _V, :] - p[..., _U, :], flat[..., _V, :] - flat[..., _U, :]
    length3, length2 = np.maximum(_norm(bones3), 1e-3), np.maximum(_norm(bones2), 1e-3)
    gap = [np.abs(flat[..., a, 0] - flat[..., b, 0]) for a, b in ((11, 12), (13, 14), (9, 10), (3, 4), (7, 8))]
    toes = []
    for knee, ankle, heel, toe in ((11, 13, 15, 17), (12, 14, 16, 18)):
        ahead = np.tanh((flat[..., toe, 0] - flat[..., heel, 0]) * 8)
        toes.append((flat[..., knee, 0] - flat[..., toe, 0]) * ahead)
        toes.append((flat[..., knee, 0] - flat[..., ankle, 0]) * ahead)
    single = [
        *gap,
        gap[0] / np.maximum(gap[1], 0.15),
        (flat[..., 3, 1] - flat[..., 7, 1]) - (flat[..., 4, 1] - flat[..., 8, 1]),
        flat[..., 3, 1] - flat[..., 4, 1],
        *toes,
    ]
    side = np.abs(axis[..., 1]) / np.maximum(_norm(axis), 1e-6)
    parts = [
        p.reshape(*seen.shape, -1),
        turned.reshape(*seen.shape, -1),
        flat.reshape(*seen.shape, -1),
        visibility,
        2.0 * _angles(p),
        2.0 * _angles(flat),
        bones3[..., 1] / length3,
        bones2[..., 1] / length2,
        length2,
        np.stack(single, axis=-1),
        8.0 * _sag(flat),
        np.zeros((*seen.shape, len(CHANNELS))),  # DIRECT
        np.stack(
            [
                side,
                _norm(flat[..., 3:5, :].mean(-2) - flat[..., 9:11, :].mean(-2)),
                np.tanh(20 * sin[..., 0]),
                np.ones_like(side),
            ],
            -1,
        ),
    ]
    out = np.concatenate(parts, axis=-1)
    out = np.clip(out, -4.0, 4.0)
    out[..., DIRECT] = np.clip(direct_channels(flat, p, heading, side), -12.0, 12.0)
    gated: NDArray[np.float32] = (out * seen[..., None]).astype(np.float32)
    return gated


@dataclass(slots=True)
class LandmarkGrid:
    """Puts one source's landmarks of any frame rate on the grid, causally, chunk after chunk."""

    body: BodyState = field(default_factory=lambda: BodyState.empty(1))
    next_s: float = float("nan")
    _time: float = float("nan")
    _row: Array = field(default_factory=lambda: np.zeros((19, 6)))
    _seen: bool = False

    def push(
        self, pts_s: Array, image_px: Array, world_m: Array, visibility: Array, presence: Array
    ) -> tuple[Array, NDArray[np.float32]]:
        """Features at the grid times that the new frames complete.

        Args:
            pts_s: [N] media times; frames at or before the newest known one are ignored (chunks overlap).
            image_px: [N,33,2] pixels.
            world_m: [N,33,3] metres.
            visibility: [N,33].
            presence: [N]; below 0.5 no person was found.

        Returns:
            Grid times [K] in seconds and features [K, COUNT].
        """
        take = list(POINTS)
        rows, seen, times = [], [], []
        for i, now in enumerate(np.asarray(pts_s, dtype=float)):
            if now <= self._time:
                continue
            there = bool(presence[i] >= 0.5) and bool(np.isfinite(world_m[i]).all())
            row = np.concatenate([image_px[i, take], world_m[i, take], visibility[i, take, None]], axis=-1)
            row = np.nan_to_num(row)
            if not now - self._time < 10.0:  # the first frame, or a long absence: start the grid again
                self.next_s = now
            while self.next_s <= now + 1e-9:
                span = now - self._time
                if not span <= _MAX_GAP_S:
                    on, mixed = there and self.next_s > now - 0.5 / FPS, row
                else:
                    w = (self.next_s - self._time) / span
                    on = (there and self._seen) or (there if w >= 0.5 else self._seen)
                    mixed = self._row * (1 - w) + row * w if there and self._seen else row if there else self._row
                rows.append(mixed)
                seen.append(on)
                times.append(self.next_s)
                self.next_s += 1.0 / FPS
            self._time, self._row, self._seen = float(now), row, there
        if not rows:
            return np.zeros(0), np.zeros((0, COUNT), dtype=np.float32)
        data = np.stack(rows)[None]
        found = np.array(seen)[None]
        out = extract(self.body, data[..., :2], data[..., 2:5], data[..., 5], found)
        return np.array(times), out[0]
