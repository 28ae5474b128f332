"""Chunks through the estimator: who is found, what is reused, and that nothing depends on the past."""

from __future__ import annotations

import numpy as np
import pytest

from cornerman_pose.errors import PoseError
from cornerman_pose.estimator import PoseEstimator
from cornerman_pose.landmarks import SeenChunk
from tests.unit.pose.bodies import PaintedDetector, PaintedLandmarks, painted

TIMES = tuple(number / 8 for number in range(8))


def estimator(people: int = 3, kept: int = 256) -> PoseEstimator:
    return PoseEstimator(PaintedDetector(), PaintedLandmarks(), "painted", people, kept)


def estimator_for_near() -> PoseEstimator:
    """Its detector misses people who are small in the square that it reads."""
    return PoseEstimator(PaintedDetector(least_px=9), PaintedLandmarks(), "painted")


def walk(count: int = 24) -> np.ndarray:
    return np.stack([painted((100 + 3 * number, 110)) for number in range(count)])


def hips(seen: SeenChunk, row: int = 0) -> np.ndarray:
    return seen.image_px[row][:, [23, 24], 0].mean(axis=1)


def test_person_is_followed() -> None:
    seen = estimator().estimate(walk(8), TIMES)
    assert seen.people == 1 and seen.found.all()
    np.testing.assert_allclose(hips(seen), 100 + 3 * np.arange(8), atol=1.5)


def test_detector_looks_every_fourth_frame() -> None:
    one = estimator()
    one.estimate(walk(8), TIMES)
    assert (one.counts.detections, one.counts.landmarks, one.counts.frames) == (2, 8, 8)


def test_shared_frames_are_reused_with_equal_bits() -> None:
    frames, one = walk(16), estimator()
    first, second = one.estimate(frames[:8], TIMES), one.estimate(frames[4:12], TIMES)
    assert one.counts.reused_landmarks == 4 and one.counts.reused_detections == 1
    assert first.packed()[:, 4:].tobytes() == second.packed()[:, :4].tobytes()


def test_memory_changes_no_bit() -> None:
    frames, one, forgetful = walk(16), estimator(), estimator(kept=0)
    for start in (0, 4, 8):
        seen = one.estimate(frames[start : start + 8], TIMES)
        assert seen.packed().tobytes() == estimator().estimate(frames[start : start + 8], TIMES).packed().tobytes()
        assert seen.packed().tobytes() == forgetful.estimate(frames[start : start + 8], TIMES).packed().tobytes()
    assert forgetful.counts.reused_landmarks == 0


def test_nobody_gives_no_rows() -> None:
    one = estimator()
    seen = one.estimate(np.stack([painted()] * 8), TIMES)
    assert seen.people == 0 and seen.packed().shape == (0, 8, 199)
    assert (one.counts.detections, one.counts.tiled, one.counts.reused_detections) == (1, 1, 8)


def test_lost_person_is_found_again() -> None:
    frames = [painted((100, 110))] * 2 + [painted()] + [painted((100, 110))] * 5
    seen = estimator().estimate(np.stack(frames), TIMES)
    assert seen.found.sum() == 7 and not seen.found[:, 2].any()


def test_newcomer_gets_a_row() -> None:
    frames = [painted((100, 110))] * 4 + [painted((100, 110), (300, 110))] * 4
    seen = estimator().estimate(np.stack(frames), TIMES)
    assert seen.found.sum(axis=1).tolist() == [8, 4]
    np.testing.assert_allclose(hips(seen, 1)[4:], 300, atol=1.5)


def test_rows_keep_their_person() -> None:
    frames = [painted((100 + 2 * i, 110), (300 - 2 * i, 110)) for i in range(8)]
    seen = estimator().estimate(np.stack(frames), TIMES)
    for row in range(2):
        assert np.abs(np.diff(hips(seen, row))).max() < 5


def test_at_most_so_many_people() -> None:
    frames = np.stack([painted((60, 110), (160, 110), (260, 110), (360, 110))] * 8)
    assert estimator().estimate(frames, TIMES).people == 3
    assert estimator(people=1).estimate(frames, TIMES).people == 1


def test_far_person_is_found_in_tiles() -> None:
    seen = estimator_for_near().estimate(np.stack([painted((300, 150))] * 8), TIMES)
    assert seen.people == 1 and seen.found.all()
    np.testing.assert_allclose(hips(seen), 300, atol=2)


def test_tracked_person_needs_no_tiles() -> None:
    one = estimator_for_near()
    one.estimate(np.stack([painted((300, 150))] * 8), TIMES)
    assert one.counts.tiled == 1
    close = estimator()
    close.estimate(walk(8), TIMES)
    assert close.counts.tiled == 0


def test_empty_picture_is_tiled_every_fourth_frame() -> None:
    frames = np.stack([painted() + np.uint8(number) for number in range(8)])
    one = estimator()
    assert one.estimate(frames, TIMES).people == 0
    assert (one.counts.detections, one.counts.tiled) == (8, 2)


def test_wide_picture_shows_both_people() -> None:
    one = estimator_for_near()
    seen = one.estimate(np.stack([np.concatenate([painted((150, 110)), painted((250, 110))], axis=1)] * 8), TIMES)
    assert seen.people == 2 and seen.found.all()
    np.testing.assert_allclose(sorted(hips(seen, row)[-1] for row in range(2)), (150, 398 + 250), atol=2)


def test_tiles_change_no_bit_between_workers() -> None:
    frames = np.stack([painted((300 - number, 150)) for number in range(16)])
    one = estimator_for_near()
    for start in (0, 4, 8):
        seen = one.estimate(frames[start : start + 8], TIMES)
        other = estimator_for_near().estimate(frames[start : start + 8], TIMES)
        assert seen.people == 1 and seen.packed().tobytes() == other.packed().tobytes()


@pytest.mark.parametrize(
    ("frames", "times", "words"),
    [
        (np.zeros((8, 4, 4), np.uint8), TIMES, "expected uint8"),
        (np.zeros((8, 4, 4, 3), np.float32), TIMES, "float32"),
        (np.zeros((8, 0, 4, 3), np.uint8), TIMES, "expected uint8"),
        (np.zeros((8, 4, 4, 3), np.uint8), TIMES[:3], "8 frames, but 3 times"),
    ],
    ids=["grey", "floats", "no pixel", "times"],
)
def test_bad_frames_are_refused(frames: np.ndarray, times: tuple[float, ...], words: str) -> None:
    with pytest.raises(PoseError, match=words):
        estimator().estimate(frames, times)


def test_four_people_are_refused() -> None:
    with pytest.raises(PoseError, match="people = 4"):
        estimator(people=4)
