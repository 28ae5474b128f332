"""Mistakes made from real repetitions: what is changed, and how the naming of it is counted."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cornerman_pose.files import read_landmarks
from cornerman_pose.landmarks import INDEX, LandmarkTrack, SeenChunk
from cornerman_pose.people_eval.checks import made_checks
from cornerman_pose.people_eval.clips import LabelledClip
from cornerman_pose.people_eval.coach import Observations, RepEnd
from cornerman_pose.people_eval.made import KINDS, double_speed, faces_camera, frozen_arm, half_depth, score_made

SQUATS = Path(__file__).parents[1] / "skeleton" / "data" / "squat_front.npz"
SPANS = ((0.2, 2.2), (2.7, 4.8), (5.1, 7.1), (7.8, 9.8), (10.1, 12.1))


class Scripted:
    """Counts an end at each of the given times, with its mistakes."""

    def __init__(self, ends: list[tuple[float, tuple[str, ...]]]) -> None:
        self._ends = ends

    def observe(self, seen: SeenChunk, /) -> Observations:
        now = [RepEnd(t, "squat", names) for t, names in self._ends if t <= seen.frame_pts_s[-1]]
        self._ends = self._ends[len(now) :]
        return Observations("squat", ends=tuple(now))


@pytest.fixture(scope="module")
def squats() -> LandmarkTrack:
    return read_landmarks(SQUATS)


def clip(verdict: str = "good") -> LabelledClip:
    return LabelledClip("squats", "squat", "squat", SPANS, verdict, (), 12.5, "squats")  # type: ignore[arg-type]


def depth(track: LandmarkTrack, span: tuple[float, float]) -> float:
    rows = (track.t_s >= span[0]) & (track.t_s <= span[1])
    height = track.image_px[rows][:, INDEX["left_ankle"], 1] - track.image_px[rows][:, INDEX["left_hip"], 1]
    return float(np.ptp(height))


def test_half_depth_goes_half_the_way(squats: LandmarkTrack) -> None:
    made, spans = half_depth(squats, SPANS)
    assert spans == list(SPANS)
    shares = [depth(made, span) / depth(squats, span) for span in SPANS]
    assert 0.25 < np.median(shares) < 0.75


def test_half_depth_is_of_the_hips(squats: LandmarkTrack) -> None:
    moved = squats.world_m.copy()
    for first, last in SPANS:  # the arms rise before the knees bend, further than the hips will sink
        rows = np.flatnonzero((squats.t_s >= first) & (squats.t_s <= last))
        for wrist in ("left_wrist", "right_wrist"):
            moved[rows[1:-1], INDEX[wrist], 1] -= 0.9
    made, _ = half_depth(replace(squats, world_m=moved), SPANS)
    shares = [depth(made, span) / depth(squats, span) for span in SPANS]
    assert np.median(shares) > 0.35


def test_double_speed_halves_the_times(squats: LandmarkTrack) -> None:
    made, spans = double_speed(squats, SPANS)
    assert made.t_s[-1] - made.t_s[0] == pytest.approx((squats.t_s[-1] - squats.t_s[0]) / 2, abs=1e-3)
    assert spans[-1][1] - spans[-1][0] == pytest.approx(1.0, abs=1e-3)


def test_frozen_arm_keeps_its_offset(squats: LandmarkTrack) -> None:
    made, _ = frozen_arm(squats, SPANS)
    wrist = made.world_m[:, INDEX["left_wrist"]] - made.world_m[:, INDEX["left_shoulder"]]
    assert np.ptp(wrist, axis=0).max() < 1e-5
    assert np.array_equal(made.world_m[:, INDEX["right_wrist"]], squats.world_m[:, INDEX["right_wrist"]])


def test_narrow_knees_come_together(squats: LandmarkTrack) -> None:
    made, _ = KINDS["narrow_knees"].make(squats, SPANS)
    knees = [INDEX["left_knee"], INDEX["right_knee"]]
    gap = np.abs(np.diff(made.image_px[:, knees, 0], axis=1)) / np.abs(np.diff(squats.image_px[:, knees, 0], axis=1))
    assert gap.mean() == pytest.approx(0.5, abs=1e-3)
    assert faces_camera(squats)


def test_named_and_false_are_counted(squats: LandmarkTrack) -> None:
    later = float(squats.t_s[-1] - squats.t_s[0]) + 0.125
    old = [(end, ("too_shallow",) if k == 0 else ()) for k, (_, end) in enumerate(SPANS)]
    new = [(end + later, ("too_shallow",) if k < 4 else ("knees_in",)) for k, (_, end) in enumerate(SPANS)]
    score = score_made([(clip(), squats)], lambda: Scripted(old + new))["half_depth"]
    assert (score.untouched, score.false) == (5, 1)
    assert (score.made, score.named) == (5, 4)
    assert score.to_dict()["named"] == 0.8


def test_doubtful_clips_are_left_out(squats: LandmarkTrack) -> None:
    scores = score_made([(clip("mistake"), squats)], lambda: Scripted([]))
    assert all(one.made == 0 for one in scores.values())


def test_folder_without_labels_has_no_checks(tmp_path: Path) -> None:
    shutil.copy(SQUATS, tmp_path / "squats.npz")
    assert made_checks(tmp_path, lambda: Scripted([])) == {}
