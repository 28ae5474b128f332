"""Folders of labelled clips are read, and bad ones say what is wrong."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from cornerman_pose.errors import LandmarkFileError
from cornerman_pose.estimator import PoseEstimator
from cornerman_pose.files import write_landmarks
from cornerman_pose.people_eval.coach import Observations
from cornerman_pose.people_eval.mocap import VirtualCamera, read_mocap, seen_by
from cornerman_pose.people_eval.run import evaluate_people, scores_as_json, sets_of
from cornerman_pose.people_eval.stills import read_stills, score_stills
from cornerman_pose.people_eval.video import frame_rate, sampled, seen_chunks
from tests.unit.pose.bodies import PaintedDetector, PaintedLandmarks, painted, track


class SquatCoach:
    def observe(self, seen: object, /) -> Observations:
        return Observations("squat", ("hips_high",))


def labels(folder: Path, *rows: dict[str, object]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "labels.json").write_text(json.dumps(rows))


def video(path: Path, frames: int = 40, fps: int = 25) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 398, 224, "yuv420p"
        stream.time_base = Fraction(1, fps)
        for number in range(frames):
            picture = painted((100 + 2 * number, 110))
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")):
                out.mux(packet)
        for packet in stream.encode():
            out.mux(packet)
    return path


def painted_estimator() -> PoseEstimator:
    return PoseEstimator(PaintedDetector(), PaintedLandmarks(), "painted")


def test_labels_and_landmarks_are_scored(tmp_path: Path) -> None:
    labels(tmp_path, {"clip": "a", "exercise": "squat", "reps": [[0, 1.5]], "verdict": "good", "mistakes": []})
    write_landmarks(tmp_path / "a.npz", track(24))
    labels(tmp_path / "more", {"clip": "b", "exercise": "none: walking"})
    write_landmarks(tmp_path / "more" / "b.npz", track(24))
    sets = sets_of(tmp_path)
    heard: list[str] = []
    scores = {name: evaluate_people(showings, SquatCoach, heard.append) for name, showings in sets.items()}
    values = json.loads(scores_as_json(scores))
    assert values["exercise_right"] == 1.0 and values["clips"][0]["reps"] == 1
    assert values["sets"]["more"]["quiet_clips"] == {"quiet": 1, "of": 1}
    assert heard == ["a", "b"]


def test_video_is_seen_without_landmarks(tmp_path: Path) -> None:
    labels(tmp_path, {"clip": "a", "exercise": "squat"})
    (tmp_path / "video").mkdir()
    video(tmp_path / "video" / "a.mp4")
    (showing,) = sets_of(tmp_path, painted_estimator)["."]
    chunks = list(showing.chunks())
    assert len(chunks) == 2 and chunks[0].found.all()
    with pytest.raises(LandmarkFileError, match="give the pose weights"):
        list(sets_of(tmp_path)["."][0].chunks())


def test_video_is_sampled_eight_times_a_second(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mp4", frames=50)
    times = [now_s for now_s, _ in sampled(path)]
    assert len(times) == 16 and np.abs(np.array(times) - np.arange(16) / 8).max() <= 0.021
    assert next(iter(sampled(path, shorter_side=112)))[1].shape == (112, 199, 3)
    assert frame_rate(path) == 25
    assert next(seen.frame_pts_s[0] for seen, _ in seen_chunks(path, painted_estimator())) == 0.0


def test_repcount_annotations_are_read(tmp_path: Path) -> None:
    video(tmp_path / "stu1.mp4")
    text = "type,name,count,L1,L2,L3,L4\nsquant,stu1.mp4,2,0,10,10,30\nsitup,stu2.mp4,1,0,9,,\npull_up,stu1.mp4,,,,,\n"
    (tmp_path / "test.csv").write_text(text)
    (showing,) = sets_of(tmp_path)["."]
    assert (showing.clip.exercise, showing.clip.reps) == ("squat", ((0.0, 0.4), (0.4, 1.2)))


def test_repcount_without_videos_is_named(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("type,name,count,L1\nsquat,stu1.mp4,1,3\n")
    with pytest.raises(LandmarkFileError, match="holds none of the labelled videos"):
        sets_of(tmp_path)


def test_qevd_sessions_become_clips(tmp_path: Path) -> None:
    row = {
        "long_range_video_file": "./long_range_videos/0001.mp4",
        "feedbacks": ["", "First up are squats!", "First up are squats!", "", "Good", "", "Moving on to cat cow!", ""],
        "feedback_timestamps": [101.0, 102.0, 103.0],
        "is_transition": [True, False, True],
        "video_timestamps": [100.0, 100.5, 109.0],
    }
    (tmp_path / "feedbacks_long_range.json").write_text(json.dumps([row]))
    write_landmarks(tmp_path / "0001.npz", track(80))
    first, second = sets_of(tmp_path)["."]
    assert (first.clip.name, first.clip.exercise, first.clip.span_s) == ("0001#1", "squat", (1.0, 3.0))
    assert (second.clip.exercise, second.clip.span_s) == ("", (3.0, 9.0))
    assert all(seen.frame_pts_s[0] >= 1.0 and seen.frame_pts_s[-1] <= 3.0 for seen in first.chunks())


def test_qevd_labels_become_clips(tmp_path: Path) -> None:
    rows = [
        {"video_path": "./short_clips/00000001.mp4", "labels": ["squats - not low enough", "squats - rom=2"]},
        {"video_path": "./short_clips/00000002.mp4", "labels": ["elbow plank - shaking"]},
        {"video_path": "./short_clips/00000003.mp4", "labels": ["squats"]},
    ]
    (tmp_path / "fine_grained_labels.json").write_text(json.dumps(rows))
    for name in ("00000001", "00000002"):
        write_landmarks(tmp_path / f"{name}.npz", track(16))
    first, second = (showing.clip for showing in sets_of(tmp_path)["."])
    assert (first.verdict, first.mistakes[0].names) == ("mistake", ("too_shallow",))
    assert (second.exercise, second.verdict) == ("plank", "none")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not JSON"),
        ("[]", "no list of clips"),
        ('[{"clip": "a"}]', "row 0: expected an object"),
        ('[{"clip": "a", "exercise": "squat"}]', "neither a.npz nor a video"),
    ],
    ids=["broken", "empty", "no exercise", "no file"],
)
def test_bad_labels_are_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(LandmarkFileError, match=words):
        sets_of(tmp_path)


@pytest.mark.parametrize("reps", [[[2, 1]], [[1]], "many"], ids=["backwards", "one number", "word"])
def test_bad_repetitions_are_named(tmp_path: Path, reps: object) -> None:
    labels(tmp_path, {"clip": "a", "exercise": "squat", "reps": reps})
    write_landmarks(tmp_path / "a.npz", track(16))
    with pytest.raises(LandmarkFileError, match="row 0"):
        sets_of(tmp_path)


def test_folder_without_labels_is_named(tmp_path: Path) -> None:
    with pytest.raises(LandmarkFileError, match=r"holds no labels\.json"):
        sets_of(tmp_path)
    with pytest.raises(LandmarkFileError, match="no such folder"):
        sets_of(tmp_path / "nowhere")


def skeleton(samples: int = 40) -> np.ndarray:
    """[T, 22, 3] centimetres, y up; a person who faces +z."""
    upright = [(0, 95, 0), (0, 110, 0), (0, 130, 0), (0, 145, 0), (0, 155, 0), (0, 175, 0)]
    arm = [(5, 143, 0), (18, 142, 0), (22, 115, 0), (23, 90, 0)]
    leg = [(10, 92, 0), (11, 50, 0), (11, 8, 0), (12, 2, 15)]
    mirror = [[(-x, y, z) for x, y, z in limb] for limb in (arm, leg)]
    joints = [*upright, *arm, *mirror[0], *leg, *mirror[1]]
    return np.repeat(np.array(joints, float)[None], samples, axis=0)


def test_camera_sees_front_and_side() -> None:
    front, side = (seen_by(skeleton() / 100, VirtualCamera(yaw)) for yaw in (0.0, 90.0))
    left, right = front.image_px[0, 11], front.image_px[0, 12]
    assert left[0] > right[0] and abs(left[1] - right[1]) < 1  # their left is on the right of the picture
    assert abs(side.image_px[0, 11, 0] - side.image_px[0, 12, 0]) < 1
    assert side.world_m[0, 11, 2] < side.world_m[0, 12, 2]  # from their left: the left shoulder is nearer
    assert front.world_m[0, 0, 1] < -0.5 < 0.5 < front.world_m[0, 31, 1]
    assert front.world_m[0, 0, 2] < 0  # the nose points at the camera
    np.testing.assert_allclose(front.world_m[:, [23, 24]].mean(axis=1), 0, atol=1e-6)


def test_motion_capture_is_a_set(tmp_path: Path) -> None:
    (tmp_path / "mocap").mkdir()
    np.savez(tmp_path / "mocap" / "squat.npz", correct_s01_e01=skeleton(), incorrect_s01_e01=skeleton(80))
    showings = sets_of(tmp_path)["mocap"]
    assert [one.clip.verdict for one in showings] == ["good"] * 3 + ["mistake"] * 3
    assert len({one.clip.group for one in showings}) == 2
    score = evaluate_people(showings, SquatCoach)
    assert score.to_dict()["exercise_right"] == 1.0


def test_other_arrays_are_no_motion_capture(tmp_path: Path) -> None:
    np.savez(tmp_path / "squat.npz", correct_s01_e01=np.zeros((4, 17, 3)))
    with pytest.raises(LandmarkFileError, match=r"expected \[T, 22, 3\]"):
        read_mocap(tmp_path / "squat.npz", "squat")


def test_stills_are_read_and_scored(tmp_path: Path) -> None:
    joints = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
    header = ",".join(["label", *(f"{name}_{axis}" for name in joints for axis in "xyzv")])
    body = "0.6,0.3,0,1,0.4,0.3,0,0.9,0.55,0.6,0,1,0.45,0.6,0,1"
    (tmp_path / "plank.csv").write_text(f"{header}\nC,{body}\nH,{body}\n")
    stills = read_stills(tmp_path / "plank.csv")
    torso = stills[0].person.world_m[[11, 12]].mean(axis=0) - stills[0].person.world_m[[23, 24]].mean(axis=0)
    assert np.linalg.norm(torso) == pytest.approx(0.5) and stills[0].person.visibility[0] == 0
    assert score_stills(stills, lambda _: ("hips_high",)) == {
        "plank:right": {"frames": 1.0, "named": 0.0, "any": 1.0},
        "plank:hips_high": {"frames": 1.0, "named": 1.0, "any": 1.0},
    }


def test_bad_still_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "lunge.csv").write_text("label,nose_x,nose_y,nose_z,nose_v\nX,0,0,0,1\n")
    with pytest.raises(LandmarkFileError, match=r"lunge\.csv:2: label is 'X'"):
        read_stills(tmp_path / "lunge.csv")
