"""A chunk's person as tokens for a language model: joint tokens, two transformer layers, a projector. In numpy.

The tokens have the shapes of visual ones, image tokens of each frame and video tokens of each half, so that whatever
reads a chunk of pixels reads a chunk of landmarks. `training/cornerman_training/pose_words` trains the weights; the
joint features below are the same there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.features import FPS
from cornerman_pose.landmarks import CHUNK_FRAMES, PRESENT, Floats, SeenChunk
from cornerman_pose.points import POINTS
from cornerman_pose.subject import follow

JOINTS: Final = len(POINTS)
CHANNELS_IN: Final = 9
"""Numbers a joint token is made of: metres [3], place in the picture [2], visibility, velocity [3]."""

HEADS: Final = 4
HALVES: Final = 2
_FASTEST: Final = 4.0  # metres a second


@dataclass(frozen=True, slots=True)
class PoseTokens:
    """Tokens of one chunk: `context` [8, 1, D] of its frames, `video` [2, D] of its halves; float32."""

    context: Floats
    video: Floats


def joint_features(
    image_px: NDArray[np.floating],
    world_m: NDArray[np.floating],
    visibility: NDArray[np.floating],
    found: NDArray[np.bool_],
    size_px: tuple[float, float],
) -> Floats:
    """Numbers of every joint token, [T, 19, 9]; 0 in frames without the person.

    Args:
        image_px: [T, 19, 2] pixels.
        world_m: [T, 19, 3] metres from the middle of the hips.
        visibility: [T, 19].
        found: [T].
        size_px: height and width of the picture.
    """
    height, width = size_px
    place = (image_px - np.array([width, height]) / 2) / (min(height, width) / 2)
    moved = np.diff(world_m, axis=0, prepend=world_m[:1]) * FPS
    both = found & np.concatenate([found[:1], found[:-1]])
    velocity = np.clip(moved, -_FASTEST, _FASTEST) * both[:, None, None] / 2
    parts = (2 * world_m, np.clip(place, -2, 2), visibility[..., None], velocity)
    joined = np.concatenate(parts, axis=-1) * found[:, None, None]
    return joined.astype(np.float32)


class PoseProjector:
    """Turns the person that a chunk alone puts first into tokens.

    Args:
        weights: as `cornerman_training.pose_words` exports them.

    Raises:
        ValueError: they are of another layout.
    """

    def __init__(self, weights: Mapping[str, Floats]) -> None:
        self._w = {name: np.ascontiguousarray(values, np.float32) for name, values in weights.items()}
        expected = {"inputs.weight", "joint", "frame", "norm.weight", "reduce.weight", "context.2.weight"}
        if missing := expected - self._w.keys():
            raise ValueError(f"the projector lacks {', '.join(sorted(missing))}; take the weights of this release")
        self._layers = sum(name.endswith(".qkv.weight") for name in self._w)

    @classmethod
    def load(cls, path: Path) -> PoseProjector:
        """The projector stored in a safetensors file."""
        from safetensors.numpy import load_file

        return cls(load_file(path))

    @property
    def width(self) -> int:
        """D, the language model's width."""
        return len(self._w["context.2.bias"])

    def tokens(self, seen: SeenChunk) -> PoseTokens:
        """Tokens of a chunk of 8 frames; those of an empty picture where no one is seen."""
        row = follow(seen)[0].row
        points = list(POINTS)
        shape = (CHUNK_FRAMES, JOINTS)
        if row is None:
            features = np.zeros((*shape, CHANNELS_IN), np.float32)
        else:
            found = seen.presence[row] >= PRESENT
            features = joint_features(
                seen.image_px[row][:, points],
                seen.world_m[row][:, points],
                seen.visibility[row][:, points],
                found,
                seen.size_px,
            )
        return self.project(features)

    def project(self, features: Floats) -> PoseTokens:
        """Tokens of [8, 19, 9] joint features."""
        w = self._w
        x = features @ w["inputs.weight"].T + w["inputs.bias"] + w["joint"] + w["frame"][:, None]
        x = x.reshape(CHUNK_FRAMES * JOINTS, -1)
        for number in range(self._layers):
            name = f"layers.{number}"
            x = x + self._attention(f"{name}", self._normed(x, f"{name}.before"))
            y = self._linear(self._normed(x, f"{name}.between"), f"{name}.up")
            x = x + self._linear(_gelu(y), f"{name}.down")
        flat = self._linear(self._normed(x, "norm"), "reduce").reshape(CHUNK_FRAMES, -1)  # [8, 19 * 16]
        halves = flat.reshape(HALVES, -1, flat.shape[1]).mean(axis=1)
        return PoseTokens(self._mlp(flat, "context")[:, None], self._mlp(halves, "video"))

    def _attention(self, name: str, x: Floats) -> Floats:
        count, inner = x.shape
        q, k, v = np.split(self._linear(x, f"{name}.qkv"), 3, axis=1)
        q, k, v = (part.reshape(count, HEADS, -1).transpose(1, 0, 2) for part in (q, k, v))
        scores = q @ k.transpose(0, 2, 1) / np.float32(np.sqrt(inner // HEADS))
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = (scores / scores.sum(axis=-1, keepdims=True)) @ v
        return self._linear(mixed.transpose(1, 0, 2).reshape(count, inner), f"{name}.out")

    def _normed(self, x: Floats, name: str) -> Floats:
        centred = x - x.mean(axis=-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
        done: Floats = centred / scale * self._w[f"{name}.weight"] + self._w[f"{name}.bias"]
        return done

    def _linear(self, x: Floats, name: str) -> Floats:
        done: Floats = x @ self._w[f"{name}.weight"].T + self._w[f"{name}.bias"]
        return done

    def _mlp(self, x: Floats, name: str) -> Floats:
        return self._linear(_gelu(self._linear(x, f"{name}.0")), f"{name}.2")


def _gelu(x: Floats) -> Floats:
    """The tanh form (Hendrycks and Gimpel, 2016)."""
    # Not x**3: numpy's power of negative numbers takes a hundred times as long.
    done: Floats = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi).astype(np.float32) * (x + 0.044715 * (x * x * x))))
    return done
