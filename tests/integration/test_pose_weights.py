"""The real nets on the drawn figure of the demo. Needs LiteRT and the weights that `make setup` fetches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cornerman_pose import weights
from cornerman_pose.errors import WeightsError
from cornerman_pose.estimator import PoseEstimator
from cornerman_pose.features import LandmarkGrid
from cornerman_pose.landmarks import INDEX, SeenChunk
from cornerman_pose.nets import LiteLandmarks, litert
from cornerman_pose.people_eval.video import seen_chunks
from cornerman_pose.picture import picture_stats
from cornerman_pose.reader import bundled_meter
from cornerman_pose.subject import follow
from cornerman_pose.view import judge
from cornerman_pose.warp import Pixels

DEMO = Path(__file__).parents[2] / "cornerman" / "assets" / "demo.mp4"


@pytest.fixture(scope="module")
def estimator() -> PoseEstimator:
    return PoseEstimator.load()


@pytest.fixture(scope="module")
def chunks(estimator: PoseEstimator) -> list[tuple[SeenChunk, Pixels]]:
    return list(seen_chunks(DEMO, estimator, most_s=12))


def test_drawn_figure_is_in_every_frame(chunks: list[tuple[SeenChunk, Pixels]]) -> None:
    assert len(chunks) >= 20
    assert all(seen.people == 1 and seen.found.all() for seen, _ in chunks)


def test_figure_stands_upright(chunks: list[tuple[SeenChunk, Pixels]]) -> None:
    world = chunks[0][0].world_m[0].mean(axis=0)
    nose, hip, ankle = (world[INDEX[name]][1] for name in ("nose", "left_hip", "left_ankle"))
    assert -0.9 < nose < -0.3 < hip < 0.3 < ankle < 1.1


def test_figure_is_seen_well(chunks: list[tuple[SeenChunk, Pixels]]) -> None:
    who, state, sights = {}, {}, []
    for seen, frames in chunks:
        subject, who = follow(seen, who)
        view, state = judge(seen, subject, picture_stats(frames, seen), state)
        sights.append((view.sight, view.good, subject.switched))
    assert set(sights) == {("whole", True, False)}


def test_figure_is_known_as_drawn(chunks: list[tuple[SeenChunk, Pixels]]) -> None:
    grid, meter = LandmarkGrid(), bundled_meter()
    state, sure = meter.start(), []
    for seen, _ in chunks:
        track = seen.person(0)
        rows = (track.image_px, track.world_m, track.visibility, track.presence)
        _, features = grid.push(np.asarray(seen.frame_pts_s), *(row.astype(np.float64) for row in rows))
        sure += meter.push(features, state).tolist()
    assert not any(sure[:15]) and min(sure[8 * 8 :]) == 1.0


def test_another_worker_finds_equal_bits(estimator: PoseEstimator, chunks: list[tuple[SeenChunk, Pixels]]) -> None:
    fresh = PoseEstimator.load()
    for seen, frames in chunks[5:8]:
        assert fresh.estimate(frames, seen.frame_pts_s).packed().tobytes() == seen.packed().tobytes()
    assert estimator.counts.reused_landmarks >= 4 * (len(chunks) - 1)


def test_grey_picture_has_nobody(estimator: PoseEstimator) -> None:
    assert estimator.estimate(np.full((8, 224, 398, 3), 128, np.uint8), range(8)).people == 0


def test_pruned_net_keeps_every_bit() -> None:
    path = weights.find().landmarks
    picture = np.random.default_rng(3).integers(0, 256, (256, 256, 3), np.uint8)
    whole = litert().Interpreter(model_path=str(path), num_threads=1)
    whole.allocate_tensors()
    whole.set_tensor(whole.get_input_details()[0]["index"], (picture * np.float32(1 / 255))[None])
    whole.invoke()
    outputs = {tuple(each["shape"]): whole.get_tensor(each["index"]) for each in whole.get_output_details()}
    points, presence, heat, world = LiteLandmarks(path)(picture)
    assert np.array_equal(points.ravel(), outputs[1, 195][0]) and presence == outputs[1, 1][0, 0]
    assert np.array_equal(heat, outputs[1, 64, 64, 39][0]) and np.array_equal(world.ravel(), outputs[1, 117][0])


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    found = weights.find()
    for path in (found.detector, found.landmarks):
        (tmp_path / path.name).write_bytes(found.detector.read_bytes())
    with pytest.raises(WeightsError, match="bytes instead of"):
        PoseEstimator.load(folder=tmp_path)
