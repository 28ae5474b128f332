"""Renders a session frame by frame, at any size. The room is drawn once, the person over it in each frame."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from cornerman_training.gym.figure import MAX_SHAPES, SHAPE, dress
from cornerman_training.gym.raster import SHADOW_CELLS, darken, finish, paint, shadow_map
from cornerman_training.gym.room import draw_room
from cornerman_training.gym.splits import seeded

if TYPE_CHECKING:
    from cornerman_training.gym.session import GymSession

Frame = NDArray[np.uint8]
SUPERSAMPLE = 2


class SessionRenderer:
    """Draws the frames of one session.

    Args:
        session: the planned session.
        width: pixels.
        height: pixels; None means square.
        compress: whether to apply the scene's JPEG quality, as a substitute for a codec in training.
    """

    def __init__(self, session: GymSession, width: int, height: int | None = None, compress: bool = False) -> None:
        self.session = session
        self.width, self.height = width, width if height is None else height
        self._compress = compress
        scene = session.scene
        w, h = self.width * SUPERSAMPLE, self.height * SUPERSAMPLE
        footage = session.kind == "footage"
        # Footage pans over a larger room.
        self._margin = w // 3 if footage else 0
        wide, tall = w + 2 * self._margin, h + 2 * self._margin
        self._camera = scene.camera(w, h)
        if footage:
            self._camera[14] += self._margin
            self._camera[15] += self._margin
        self._room = np.empty((tall, wide, 3), dtype=np.float32)
        self._depth = np.empty((tall, wide), dtype=np.float32)
        self._ground = np.empty((tall, wide, 2), dtype=np.float32)
        draw_room(
            self._camera, scene.walls, scene.floor, scene.boxes, len(scene.boxes), scene.light,
            scene.texture_seed, self._room, self._depth, self._ground,
        )  # fmt: skip
        self._shade = np.zeros((SHADOW_CELLS, SHADOW_CELLS), dtype=np.float32)
        ids = np.empty((tall, wide), dtype=np.int16)
        if len(scene.props):
            shadow_map(scene.props, len(scene.props), scene.light, self._shade)
            darken(self._room, self._ground, self._shade)
            paint(self._room, self._depth, scene.props, len(scene.props), self._camera, scene.light, ids)
        self._ids = np.empty((h, w), dtype=np.int16)
        self._shapes = np.zeros((MAX_SHAPES, SHAPE))
        self._lengths, self._colours = session.body.lengths(), session.body.colours()
        rng = seeded(session.seed, session.split, "grain")
        strength = max(scene.noise, 1e-4)
        grey = rng.standard_normal((self.height + 37, self.width + 37, 1))
        colour = rng.standard_normal((self.height + 37, self.width + 37, 3))
        self._noise = ((0.8 * grey + 0.6 * colour) * strength).astype(np.float32)
        self._flicker = rng.uniform(0, 6.28)
        self._wander = rng.uniform(0.05, 0.5, 4), rng.uniform(0, 6.28, 4)
        self._swarm = rng.uniform(-1, 1, (9, 12))

    def camera_points(self, index: int) -> NDArray[np.float32]:
        """Joints of frame `index` as [18, 3]: x, y in -1..1 of the picture (y down), and depth in metres."""
        return self.project(self.session.joints[index])

    def project(self, joints: NDArray[np.float64]) -> NDArray[np.float32]:
        """Projects joints [18, 3] from the world, as `camera_points`."""
        c = self._camera
        relative = joints - c[0:3]
        z = np.maximum(relative @ c[9:12], 0.2)
        u = (relative @ c[3:6]) / z * c[12] / (self.width * SUPERSAMPLE / 2)
        v = -(relative @ c[6:9]) / z * c[13] / (self.height * SUPERSAMPLE / 2)
        return np.stack([u, v, z], axis=-1).astype(np.float32)

    def frame(self, index: int) -> Frame:
        """Frame `index` as uint8 RGB [H, W, 3].

        Raises:
            IndexError: if the session has no such frame.
        """
        session = self.session
        if not 0 <= index < session.frames:
            raise IndexError(f"frame {index} is outside a session with {session.frames} frames")
        if session.kind == "footage":
            return self._finished(self._footage(index / session.fps), index)
        if not session.visible[index]:
            return self.empty(index)
        return self.compose(session.joints[index], self._lengths, self._colours, bool(session.gear[index]), index)

    def empty(self, index: int) -> Frame:
        """Frame `index` of the room without a person."""
        return self._finished(self._room.copy(), index)

    def compose(
        self,
        joints: NDArray[np.float64],
        lengths: NDArray[np.float64],
        colours: NDArray[np.float64],
        gear: bool,
        index: int,
    ) -> Frame:
        """Renders any person in this session's room.

        Args:
            joints: [18, 3] in the world.
            lengths: `Body.lengths()`.
            colours: `Body.colours()`.
            gear: whether the hands hold dumbbells.
            index: frame, for grain and flicker.
        """
        scene = self.session.scene
        image = self._room.copy()
        count = dress(joints, lengths, colours, gear, self._shapes)
        shadow_map(self._shapes, count, scene.light, self._shade)
        darken(image, self._ground, self._shade)
        paint(image, self._depth.copy(), self._shapes, count, self._camera, scene.light, self._ids)
        return self._finished(image, index)

    def _finished(self, image: NDArray[np.float32], index: int) -> Frame:
        """Applies averaging, light flicker, grain, blur and compression of frame `index`."""
        scene = self.session.scene
        time = index / self.session.fps
        out = np.empty((self.height, self.width, 3), dtype=np.uint8)
        gain = 1.0 + scene.flicker * np.sin(2 * np.pi * 0.9 * time + self._flicker)
        # Knuth's multiplicative hash: consecutive frames get unrelated parts of the noise sheet.
        mix = (index * 2654435761) & 0xFFFF
        finish(image, SUPERSAMPLE, float(gain), self._noise, mix % 37, (mix // 37) % 37, out)
        if scene.blur > 0:
            out = _soften(out, scene.blur)
        if self._compress and scene.jpeg:
            out = _jpeg(out, scene.jpeg)
        return out

    def _footage(self, time: float) -> NDArray[np.float32]:
        """Draws a panning view with drifting shapes, without a person."""
        rate, start = self._wander
        h, w = self._ids.shape
        dy = int(self._margin * (1 + 0.95 * np.sin(rate[0] * 2.2 * time + start[0])))
        dx = int(self._margin * (1 + 0.95 * np.sin(rate[1] * 2.2 * time + start[1])))
        image = self._room[dy : dy + h, dx : dx + w].copy()
        depth = np.full((h, w), 50.0, dtype=np.float32)
        for k, row in enumerate(self._swarm):
            swing = np.sin(time * (0.4 + 2.2 * np.abs(row[0:3])) + 6 * row[3:6])
            centre = row[6:9] * np.array([1.2, 0.8, 1.0]) + np.array([0, 0.9, 0]) + 0.45 * swing
            shape = self._shapes[k]
            shape[:] = 0
            shape[1:4], shape[4] = centre, 0.05 + 0.18 * abs(row[9])
            shape[5:8] = centre + 0.5 * np.roll(swing, 1) * row[9:12]
            shape[8] = 0.05 + 0.12 * abs(row[10])
            shape[14:17] = shape[17:20] = 0.5 + 0.45 * row[[2, 5, 8]]
        camera = self._camera.copy()
        camera[14] -= self._margin
        camera[15] -= self._margin
        paint(image, depth, self._shapes, 2 + self.session.seed % 8, camera, self.session.scene.light, self._ids)
        return image


def _soften(frame: Frame, amount: float) -> Frame:
    wide = frame.astype(np.uint16)
    side = int(amount * 64)
    centre = 256 - 2 * side
    out = wide * centre
    out[:, 1:] += wide[:, :-1] * side
    out[:, :-1] += wide[:, 1:] * side
    out[:, 0] += wide[:, 0] * side
    out[:, -1] += wide[:, -1] * side
    rows = (out >> 8).astype(np.uint16)
    out = rows * centre
    out[1:] += rows[:-1] * side
    out[:-1] += rows[1:] * side
    out[0] += rows[0] * side
    out[-1] += rows[-1] * side
    return (out >> 8).astype(np.uint8)


def _jpeg(frame: Frame, quality: int) -> Frame:
    buffer = io.BytesIO()
    PillowImage.fromarray(frame).save(buffer, "JPEG", quality=quality)
    return np.asarray(PillowImage.open(buffer).convert("RGB"))
