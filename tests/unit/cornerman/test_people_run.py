"""`cornerman evaluate --people`: folders of landmark files are scored, and bad ones say what is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cornerman.cli import invoke
from cornerman.local import people_run
from cornerman_pose.estimator import PoseEstimator
from cornerman_pose.files import write_landmarks
from tests.unit.pose.bodies import track

SQUATS = Path(__file__).parents[1] / "skeleton" / "data" / "squat_front.npz"
KEYS = {
    *("exercise_right", "count_mae", "count_within_one", "ends_hit", "ends_false_per_min", "apt"),
    *("false_corrections_per_min", "mistakes_found", "mistake_named_of_wrong", "mistake_named_of_right"),
    *("quiet_clips", "clips", "made"),
}
ENDS_S = (2.2, 4.8, 7.1, 9.8, 12.1)


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A real person's five squats, and a person who stands still."""
    folder = tmp_path / "people"
    folder.mkdir()
    shutil.copy(SQUATS, folder / "squats.npz")
    write_landmarks(folder / "still.npz", track(48))
    rows = [
        {"clip": "squats", "exercise": "squat", "reps": [[end - 2, end] for end in ENDS_S], "verdict": "good"},
        {"clip": "still", "exercise": "none: standing"},
    ]
    (folder / "labels.json").write_text(json.dumps(rows))
    return folder


def test_people_are_scored_as_json(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["evaluate", "--people", str(people), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert set(values) == KEYS
    assert (values["exercise_right"], values["count_within_one"]) == (1.0, 1.0)
    assert values["quiet_clips"] == {"quiet": 1, "of": 1}
    assert [row["clip"] for row in values["clips"]] == ["squats", "still"]


def test_people_are_scored_as_text(people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "report.html"
    assert invoke(["evaluate", "--people", str(people), "--html", str(page)]) == 0
    shown = capsys.readouterr().out
    assert "squats" in shown
    assert "exercise_right" in shown
    assert page.read_text(encoding="utf-8").count("<svg") == 2


def test_landmark_files_need_no_estimator(people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> PoseEstimator:
        raise AssertionError("the estimator was loaded")

    monkeypatch.setattr(people_run, "_estimator", load)
    assert set(people_run.score_people(people, lambda done, of: None)) == {"."}


def test_video_without_weights_names_remedy(
    people: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ai_edge_litert")
    monkeypatch.setenv("CORNERMAN_CACHE", str(people / "empty"))
    people_run._estimator.cache_clear()
    (people / "labels.json").write_text(json.dumps([{"clip": "film", "exercise": "squat"}]))
    (people / "film.mp4").write_bytes(b"not looked at")
    assert invoke(["evaluate", "--people", str(people)]) == 78
    assert "cornerman models get pose" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (["--people", "."], "holds no labels.json"),
        (["clip.mp4", "--people", "."], "give one of them"),
        (["--html", "page.html"], "--html is the report of --people"),
    ],
)
def test_wrong_folder_is_named(
    line: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke(["evaluate", *line]) == 78
    assert sentence in capsys.readouterr().err


def test_page_in_missing_folder_is_named(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["evaluate", "--people", str(people), "--html", str(people / "no" / "page.html")]) == 78
    assert "no such folder" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--people", "--truth", "--said"])
def test_missing_path_is_missing_input(option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It ended with the exit code of a wrong setting; a wrong path of a video has this one."""
    assert invoke(["evaluate", option, str(tmp_path / "nosuch")]) == 66
    assert "there is no such" in capsys.readouterr().err.replace("\n", " ")
