"""Sessions as the towers saw them, kept as half floats in memory: what the language half is trained from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mobile_videogpt.vision import VisionHalf
from training.chunks import CHUNK, SAMPLE_FPS, STRIDE
from training.features import Watched, watch
from training.gym.session import plan_session


@dataclass(frozen=True, slots=True)
class Seen:
    """One session.

    Attributes:
        watched: features and truth, see `Watched`.
        images: [T,P,Wc] float16, image tokens of every frame.
        groups: [C,G,k*p*p,Wv] float16, pooled video tokens of every chunk as the video projector reads them.
    """

    watched: Watched
    images: Tensor
    groups: Tensor

    def context(self, last: int, chunks: int) -> tuple[Tensor, Tensor]:
        """Frames' tokens [8 + 4 (n - 1), P, Wc] and chunks' groups [n, G, .., Wv] of `n` chunks up to `last`."""
        first = last - chunks + 1
        begin = first * STRIDE
        end = last * STRIDE + CHUNK
        return self.images[begin:end], self.groups[first : last + 1]


def see_many(
    vision: VisionHalf,
    split: str,
    seeds: range,
    duration_s: float,
    progress: Callable[[int, int], None] | None = None,
) -> list[Seen]:
    """Run sessions through the towers."""
    out: list[Seen] = []
    for i, seed in enumerate(seeds):
        session = plan_session(seed, split, fps=SAMPLE_FPS, duration_s=duration_s)
        watched, images, videos = watch(vision, session)
        with torch.inference_mode():
            groups = vision.grouped(videos.to(vision.device)).cpu()
        out.append(Seen(watched, images.half().clone(), groups.half().clone()))
        if progress is not None:
            progress(i + 1, len(seeds))
    return out


def moments(sessions: Sequence[Seen], late_s: float) -> list[tuple[int, int, int]]:
    """(session, chunk, feedback) triples: every chunk at which a true feedback could be said."""
    out: list[tuple[int, int, int]] = []
    for s, seen in enumerate(sessions):
        pts: NDArray[np.float32] = seen.watched.pts_s
        for f, feedback in enumerate(seen.watched.feedbacks):
            near = np.flatnonzero((pts >= feedback.time_s - 0.3) & (pts < feedback.time_s + late_s))
            out += [(s, int(c), f) for c in near if c >= 2]
    return out
