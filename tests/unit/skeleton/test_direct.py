import numpy as np
import pytest

from cornerman_pose.channels import CHANNELS, UNITS
from cornerman_pose.direct import direct_channels
from cornerman_training.skeleton.build import draw_build
from cornerman_training.skeleton.judge import channels
from cornerman_training.skeleton.posing import skeleton
from cornerman_training.skeleton.scene import FORM

PROGRESS = np.concatenate([np.linspace(0, 1, 9), np.linspace(1, 0, 9)])


def _seen_from_the_side(exercise: str, left: bool) -> tuple[np.ndarray, np.ndarray]:
    """True and direct channels; the camera looks along the body's left-right axis."""
    rng = np.random.default_rng(5)
    build = draw_build(rng)
    points = skeleton(build, FORM[exercise](rng, build, PROGRESS, np.zeros(18), {}))
    sign = 1.0 if left else -1.0
    camera = np.stack([-points[..., 2] * sign, -points[..., 1], -points[..., 0] * sign], axis=-1)[:, :19]
    trunk = np.linalg.norm(camera[:, 3:5].mean(1) - camera[:, 9:11].mean(1), axis=-1).mean()
    camera = (camera - camera[:, 9:11].mean(1, keepdims=True)) / trunk
    heading = np.full(18, np.arctan2(-sign, 0.0))
    got = direct_channels(camera[..., :2], camera, heading, np.ones(18)) * UNITS
    return channels(points, build), got


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("channel", ["knee", "lean", "thigh_hi", "bridge"])
def test_side_view_shows_a_squat(channel: str, left: bool) -> None:
    true, got = _seen_from_the_side("squat", left)
    at = list(CHANNELS).index(channel)
    assert np.abs(true[:, at] - got[:, at]).max() < 12


@pytest.mark.parametrize("left", [True, False])
def test_side_view_shows_hips_and_elbows(left: bool) -> None:
    true, got = _seen_from_the_side("push_up", left)
    for channel, within in (("hip_offset", 3.0), ("neck", 8.0)):
        at = list(CHANNELS).index(channel)
        assert np.abs(true[:, at] - got[:, at]).max() < within
