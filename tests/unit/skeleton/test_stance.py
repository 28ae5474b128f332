import numpy as np
import pytest

from cornerman_pose.channels import SIGNS
from cornerman_pose.features import COUNT
from cornerman_pose.points import PARTS
from cornerman_pose.signs import signs_of
from cornerman_pose.stance import feet_are_split, lifts_from_floor

KNEE = np.array([170.0, 150, 120, 90, 80, 90, 120, 150, 170, 172], dtype=np.float32)


def _signs(hang: float, reach: float, split: float) -> np.ndarray:
    values = {"hang": hang, "reach": reach, "split": split}
    return np.tile(np.array([values.get(n, 0.0) for n in SIGNS], dtype=np.float32), (len(KNEE), 1))


@pytest.mark.parametrize(
    ("hang", "reach", "split", "lifts"),
    [
        (8, -0.03, 0.1, True),
        (85, -0.8, 0.1, False),  # a squat's arms before the chest
        (3, -0.08, 1.4, False),  # a lunge with dumbbells
        (3, -0.45, 0.1, False),  # hands that stay at the hips
    ],
)
def test_hands_and_feet_tell_a_lift(hang: float, reach: float, split: float, lifts: bool) -> None:
    assert lifts_from_floor(_signs(hang, reach, split), KNEE) is lifts


def test_one_foot_before_the_other_is_split() -> None:
    assert feet_are_split(_signs(85, -0.8, 1.1), KNEE)
    assert not feet_are_split(_signs(85, -0.8, 0.3), KNEE)
    assert not feet_are_split(_signs(85, -0.8, 1.1)[:4], KNEE[:4])


def test_few_frames_tell_nothing() -> None:
    assert not lifts_from_floor(_signs(8, 0.1, 0.1)[:4], KNEE[:4])


def test_signs_are_read_off_the_picture() -> None:
    features = np.zeros((1, COUNT), dtype=np.float32)
    flat = features[0, 95:133].reshape(19, 2)
    for part, (x, y) in {"shoulders": (0, -1), "wrists": (0.5, -0.5), "knees": (0, 0.8)}.items():
        flat[list(PARTS[part])] = x, y
    flat[PARTS["wrists"][0], 1] -= 0.2
    features[0, 133 + np.array(PARTS["wrists"])] = 0.9, 0.3
    got = dict(zip(SIGNS, signs_of(features)[0].tolist(), strict=True))
    assert got["hands"] == pytest.approx(0.2)
    assert got["reach"] == pytest.approx(-1.4)
    assert got["hang"] == pytest.approx(51.3, abs=0.1)
    assert got["hands_seen"] == pytest.approx(0.3)
