"""Framing: a body in a 9:16 video is seen whole, and the cut depends on the frames alone."""

from __future__ import annotations

import numpy as np
import pytest

from cornerman_pose.errors import PoseError
from cornerman_pose.estimator import PoseEstimator
from cornerman_pose.framing import Framer, cut, person_square, whole_square
from cornerman_pose.landmarks import INDEX, Person, SeenChunk
from tests.unit.pose.bodies import PaintedDetector, PaintedLandmarks, painted

PHONE = (398, 224)
"""Height and width of a 9:16 video at the size that capture scales to."""

TIMES = tuple(number / 8 for number in range(8))


def seen(low: tuple[float, float], high: tuple[float, float], size: tuple[int, int] = PHONE) -> SeenChunk:
    """A person whose landmarks fill a box, in 8 frames."""
    points = np.zeros((33, 2), np.float32)
    points[:] = low
    points[INDEX["left_ankle"]] = high
    person = Person(points, np.zeros((33, 3), np.float32), np.ones(33, np.float32), 1.0)
    return SeenChunk.of_rows([[person] * 8], size, TIMES)


def test_tall_body_is_seen_whole() -> None:
    """The middle square of a phone's video cut 44 % of its height away, and with it head and feet."""
    square = person_square(seen((90, 20), (130, 380)))
    assert square is not None
    _, top, side = square
    assert top <= 20 and top + side > 380 and side == PHONE[0]
    frames = np.full((8, *PHONE, 3), 9, np.uint8)
    frames[:, 20], frames[:, 380] = 100, 200
    framed = cut(frames, square)
    assert framed.shape == (8, side, side, 3)
    assert {100, 200} <= set(np.unique(framed))
    middle = frames[:, (PHONE[0] - PHONE[1]) // 2 :][:, : PHONE[1]]
    assert {100, 200}.isdisjoint(np.unique(middle))


def test_small_body_fills_the_square() -> None:
    square = person_square(seen((100, 280), (160, 370)))
    assert square is not None
    left, top, side = square
    assert side < 144 and left <= 100 and left + side > 160 and top <= 280 and top + side > 370
    assert left >= 0 and top >= 0 and left + side <= PHONE[1] and top + side <= PHONE[0]


def test_square_does_not_tremble() -> None:
    squares = {person_square(seen((100 + shift, 280), (160 + shift, 370))) for shift in (0, 1, 2)}
    assert len(squares) == 1


@pytest.mark.parametrize("size", [PHONE, (224, 398), (224, 224)])
def test_whole_picture_is_kept(size: tuple[int, int]) -> None:
    frames = np.random.default_rng(1).integers(1, 255, (8, *size, 3), np.uint8)
    framed = cut(frames, whole_square(*size))
    assert framed.shape == (8, max(size), max(size), 3)
    kept = framed[(framed > 0).all(axis=-1)]
    assert np.array_equal(kept.reshape(-1, 3), frames.reshape(-1, 3))


def test_middle_leaves_frames_alone() -> None:
    frames = np.zeros((8, *PHONE, 3), np.uint8)
    assert Framer("middle").framed(frames, TIMES) is frames


def test_empty_room_is_seen_whole() -> None:
    framer = Framer("person", PoseEstimator(PaintedDetector(), PaintedLandmarks(), "painted"))
    assert framer.framed(np.zeros((8, 224, 398, 3), np.uint8), TIMES).shape == (8, 398, 398, 3)


def test_any_worker_cuts_equally() -> None:
    walk = np.stack([painted((100 + 3 * number, 110)) for number in range(12)])

    def framer() -> Framer:
        return Framer("person", PoseEstimator(PaintedDetector(), PaintedLandmarks(), "painted"))

    one = framer()
    one.framed(walk[:8], TIMES)
    again = one.framed(walk[4:], tuple(t + 0.5 for t in TIMES))
    assert np.array_equal(again, framer().framed(walk[4:], tuple(t + 0.5 for t in TIMES)))
    assert again.shape[1] == again.shape[2] < 398


def test_unknown_framing_is_refused() -> None:
    with pytest.raises(PoseError, match="framing = 'left': expected one of middle, person, whole"):
        Framer.load("left")  # type: ignore[arg-type]
