"""Runs whole sessions through the vision half: features and labels of each chunk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cornerman_training.gym.labels import FAULTS
from cornerman_training.gym.render import SessionRenderer
from cornerman_training.sampling import CHUNK, IGNORE, SAMPLE_FPS, SIZE, chunk_ends, fault_labels
from mobile_videogpt.tokens import join_features

if TYPE_CHECKING:
    from cornerman_training.gym.coach import TimedFeedback
    from cornerman_training.gym.session import GymSession
    from mobile_videogpt.config import MobileVideoGPTConfig
    from mobile_videogpt.vision import VisionHalf


VERDICT_S = 0.75
_BATCH = 16


@dataclass(frozen=True, slots=True)
class SessionFeatures:
    """Features and labels of one session; C chunks.

    Attributes:
        features: [C, F] float32.
        pts_s: [C] media time of each chunk's newest frame.
        activity: [C] index into ACTIVITIES, of the newest frame.
        fault: [C] 0 or 1 + index into FAULTS, the mistake that shows in the chunk.
        ended: [C] 1 where a repetition ended in the last half second.
        verdict: [C] mistake of the repetition that ended in the last `VERDICT_S`: 0 good, 1 + index into FAULTS, IGNORE
            if none ended.
        streak: [C] good repetitions in a row since the last praise.
    """

    seed: int
    features: NDArray[np.float32]
    pts_s: NDArray[np.float32]
    activity: NDArray[np.int64]
    fault: NDArray[np.int64]
    ended: NDArray[np.float32]
    verdict: NDArray[np.int64]
    streak: NDArray[np.int64]
    feedbacks: tuple[TimedFeedback, ...]
    duration_s: float
    kind: str


def render_frames(session: GymSession) -> NDArray[np.uint8]:
    """Renders all frames of a session planned at `SAMPLE_FPS`, [T,S,S,3]."""
    renderer = SessionRenderer(session, SIZE, compress=True)
    return np.stack([renderer.frame(k) for k in range(session.frames)])


@torch.inference_mode()
def tower_tokens(vision: VisionHalf, frames: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    """Image tokens of every frame [T,P,Wc] and video tokens of every chunk [C,1+8P,Wv], float32 on the CPU."""
    pixels = torch.from_numpy(frames)
    images = torch.cat([vision.encode_images(part[None])[0].cpu() for part in torch.split(pixels, 8 * _BATCH)])
    ends = chunk_ends(len(frames))
    chunks = torch.stack([pixels[e - CHUNK + 1 : e + 1] for e in ends])
    videos = torch.cat([vision.encode_video(part).cpu() for part in torch.split(chunks, _BATCH)])
    return images.float(), videos.float()


def pooled_features(images: Tensor, videos: Tensor) -> NDArray[np.float32]:
    """Features [C,F] from `tower_tokens`; equal to `encode_chunk(...).features`."""
    ends = chunk_ends(len(images))
    # Each frame's tokens are computed once and shared by the chunks that overlap.
    means = images.mean(1)  # [T, Wc]
    rows = torch.stack([means[e - CHUNK + 1 : e + 1] for e in ends])  # [C, 8, Wc]
    frames = torch.unflatten(videos[:, 1:], 1, (CHUNK, -1)).mean(2)  # [C, 8, Wv]
    out: NDArray[np.float32] = join_features(videos[:, 0], frames, rows).numpy()
    return out


def run_towers(vision: VisionHalf, session: GymSession) -> tuple[SessionFeatures, Tensor, Tensor]:
    """Runs a session through both towers; returns its features with labels, and the tokens as `tower_tokens`."""
    images, videos = tower_tokens(vision, render_frames(session))
    return label_features(session, pooled_features(images, videos)), images, videos


@torch.inference_mode()
def image_features(vision: VisionHalf, session: GymSession) -> SessionFeatures:
    """Runs a session through the image tower only, at half the cost; the video tower's features are zero."""
    pixels = torch.from_numpy(render_frames(session))
    parts = torch.split(pixels, 8 * _BATCH)
    means = torch.cat([vision.encode_images(part[None])[0].mean(1).cpu() for part in parts]).float()
    ends = chunk_ends(session.frames)
    rows = torch.stack([means[e - CHUNK + 1 : e + 1] for e in ends])  # [C, 8, Wc]
    width = vision.config.video.width
    features = join_features(torch.zeros(len(ends), width), torch.zeros(len(ends), CHUNK, width), rows)
    return label_features(session, features.numpy())


def without_video(encoded: SessionFeatures, config: MobileVideoGPTConfig) -> SessionFeatures:
    """The same session with the video tower's features set to zero, as from `image_features`."""
    features = encoded.features.copy()
    width = config.video.width
    features[:, :width] = 0.0
    features[:, width:].reshape(len(features), CHUNK, -1)[:, :, :width] = 0.0
    return replace(encoded, features=features)


def label_features(session: GymSession, features: NDArray[np.float32]) -> SessionFeatures:
    """Adds the labels of each chunk to features [C,F] of a session planned at `SAMPLE_FPS`."""
    ends = chunk_ends(session.frames)
    pts = ends / SAMPLE_FPS
    fault = fault_labels(session)
    # In seconds of the session, as `pts`.
    finished = np.array([r.end_s for r in session.reps])
    return SessionFeatures(
        seed=session.seed,
        features=features,
        pts_s=pts.astype(np.float32),
        activity=session.activity[ends],
        fault=np.maximum(np.stack([fault[e - CHUNK + 1 : e + 1] for e in ends]).max(1), 0),
        ended=np.array([np.any((finished > t - 0.5) & (finished <= t)) for t in pts], dtype=np.float32),
        verdict=np.array([_verdict(session, float(t)) for t in pts], dtype=np.int64),
        streak=session.streak[ends],
        feedbacks=session.feedbacks,
        duration_s=session.duration_s,
        kind=session.kind,
    )


def _verdict(session: GymSession, time_s: float) -> int:
    ended = [r for r in session.reps if time_s - VERDICT_S < r.end_s <= time_s]
    if not ended:
        return IGNORE
    return 1 + FAULTS.index(f"{ended[-1].exercise}:{ended[-1].mistake}") if ended[-1].mistake else 0
