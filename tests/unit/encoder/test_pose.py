"""The pose back end: landmarks on the wire, the same from every worker, and plain words when weights are missing."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from cornerman_encoder.pose import PoseEncoder
from cornerman_encoder.service import make_encoder
from cornerman_pose.estimator import PoseEstimator
from cornerman_pose.tokens import PoseProjector
from cornerman_pose.weights import CACHE_ENV
from cornerman_pose.wire import unpack_chunk
from cornerman_shared.bus.messages import Chunk, Times
from cornerman_shared.errors import ConfigError, PoisonError
from cornerman_shared.settings.tree import EncoderSettings
from cornerman_training.pose_words.projector import JointProjector
from tests.unit.pose.bodies import PaintedDetector, PaintedLandmarks, painted


def encoder() -> PoseEncoder:
    return PoseEncoder(PoseEstimator(PaintedDetector(), PaintedLandmarks(), "painted"))


def walk() -> list[tuple[Chunk, np.ndarray]]:
    """Four overlapping chunks of a person who walks."""
    frames = np.stack([painted((100 + 3 * number, 110)) for number in range(20)])
    starts = (0, 4, 8, 12)
    times = [tuple((start + i) / 8 for i in range(8)) for start in starts]
    chunks = [
        Chunk("cam", "r1", seq, pts_s[-1], pts_s, 0.1, False, False, None, False, Times())
        for seq, pts_s in enumerate(times)
    ]
    return [(chunk, frames[start : start + 8]) for chunk, start in zip(chunks, starts, strict=True)]


def test_landmarks_travel_in_the_output() -> None:
    chunk, frames = walk()[0]
    output = encoder().encode([chunk], [frames])[0]
    assert output.people is not None and output.vector is None
    seen, stats = unpack_chunk(output.people, chunk.frame_pts_s)
    assert (seen.people, seen.size_px) == (1, frames.shape[1:3])
    assert stats.light > 0


def test_any_worker_gives_equal_landmarks() -> None:
    one, found = encoder(), walk()
    together = one.encode([chunk for chunk, _ in found], [frames for _, frames in found])
    alone = [encoder().encode([chunk], [frames])[0] for chunk, frames in reversed(found)][::-1]
    assert [o.people.tobytes() for o in together] == [o.people.tobytes() for o in alone]  # type: ignore[union-attr]


def test_reused_frames_are_counted() -> None:
    one, found = encoder(), walk()
    outputs = one.encode([chunk for chunk, _ in found], [frames for _, frames in found])
    assert [(o.poses_computed, o.poses_reused) for o in outputs] == [(8, 0), (4, 4), (4, 4), (4, 4)]


def test_chunk_without_times_is_poison() -> None:
    chunk, frames = walk()[0]
    with pytest.raises(PoisonError, match="chunk 0 of cam: 7 frames, but 8 times"):
        encoder().encode([chunk], [frames[:7]])


def test_missing_weights_name_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ai_edge_litert")
    monkeypatch.setenv(CACHE_ENV, str(tmp_path))
    with pytest.raises(ConfigError, match=r"encoder.backend = pose: .*pose_detection.* cornerman models get pose"):
        make_encoder(EncoderSettings(backend="pose"))


def test_folder_without_projector_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"encoder.model = .*wants a folder with projector.safetensors; leave it"):
        make_encoder(EncoderSettings(backend="pose", model=str(tmp_path)))


def test_tokens_have_the_language_halfs_shapes() -> None:
    chunk, frames = walk()[0]
    projector = PoseProjector(JointProjector(32).exported())
    output = PoseEncoder(PoseEstimator(PaintedDetector(), PaintedLandmarks(), "painted"), projector).encode(
        [chunk], [frames]
    )[0]
    assert output.context is not None and output.video is not None
    assert (output.context.shape, output.video.shape) == ((8, 1, 32), (2, 32))
    assert output.context.dtype == output.video.dtype == np.float16


def test_pose_encoder_loads_no_torch() -> None:
    code = "import cornerman_encoder.pose, sys; print('torch' in sys.modules, 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split() == ["False"] * 2


def two_at_once() -> tuple[PoseEncoder, list[PoseEstimator]]:
    first, made = PoseEstimator(PaintedDetector(), PaintedLandmarks(), "painted"), []

    def another() -> PoseEstimator:
        made.append(PoseEstimator(PaintedDetector(), PaintedLandmarks(), "painted", beside=first))
        return made[-1]

    return PoseEncoder(first, another=another, at_once=2), made


def test_threads_share_what_they_found() -> None:
    one, made = two_at_once()
    found = walk() * 4
    with ThreadPoolExecutor(one.at_once) as pool:
        outputs = list(pool.map(lambda each: one.encode([each[0]], [each[1]])[0], found))
    alone = [encoder().encode([chunk], [frames])[0] for chunk, frames in walk()] * 4
    assert [o.people.tobytes() for o in outputs] == [o.people.tobytes() for o in alone]  # type: ignore[union-attr]
    assert sum(o.poses_computed for o in outputs) == 20, "each of the 20 frames once"
    assert len(made) <= 1


def test_single_thread_loads_one_estimator() -> None:
    one, made = two_at_once()
    for chunk, frames in walk():
        one.encode([chunk], [frames])
    assert (one.at_once, made) == (2, [])
