"""`cornerman models` and the doctor's line about pose: weights found, missing or damaged."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from cornerman.cli import invoke
from cornerman.local import diagnosis, pose_model
from cornerman_pose import weights
from cornerman_pose.errors import RuntimeMissingError
from cornerman_pose.weights import WeightFile
from cornerman_shared.settings.tree import load_settings

CONTENT = {"pose_detection.tflite": b"detector", "pose_landmark_full.tflite": b"full"}


@pytest.fixture(autouse=True)
def small_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Other pinned files in a folder, and an empty cache."""
    monkeypatch.setenv("CORNERMAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CORNERMAN_RUNTIME__DIR", str(tmp_path / "run"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(pose_model, "litert", lambda: None)
    given = tmp_path / "given"
    given.mkdir()
    for name, content in CONTENT.items():
        (given / name).write_bytes(content)
    detector, full = (WeightFile(n, hashlib.sha256(c).hexdigest(), len(c)) for n, c in CONTENT.items())
    monkeypatch.setattr(weights, "DETECTOR", detector)
    monkeypatch.setattr(weights, "LANDMARKS", {"full": full})
    return given


def test_choices_are_listed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hub = tmp_path / "hub" / "models--Amshaker--Mobile-VideoGPT-0.5B" / "snapshots" / "abc"
    hub.mkdir(parents=True)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    assert invoke(["models", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    models = {row["name"]: row for row in rows if row["type"] == "model"}
    assert models["bundled coach"]["abilities"]["topics"] == ["form"]
    skeletons = models["bundled coach of skeletons"]
    assert (skeletons["abilities"]["sees"], "--encoder pose" in skeletons["choose"]) == ("skeletons", True)
    assert models["Mobile-VideoGPT 0.5B"]["files"] == str(hub)
    assert models["Mobile-VideoGPT 1.5B"]["files"] == ""
    assert rows[-1]["type"] == "in_use" and rows[-1]["decider"]["backend"] == "head"
    assert "run: cornerman models get pose" in rows[-1]["notes"][0]
    assert invoke(["models"]) == 0
    shown = capsys.readouterr().out
    assert "can do    questions about form" in shown and "speed: CPU, live" in shown


def listed(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    assert invoke(["models", "list", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {row["file"]: row["state"] for row in rows}


def test_weights_are_fetched_and_listed(small_weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert set(listed(capsys).values()) == {"missing"}
    assert invoke(["models", "get", "pose", "--from", str(small_weights)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert (Path(first).read_bytes(), Path(second).read_bytes()) == (b"detector", b"full")
    assert listed(capsys) == dict.fromkeys(CONTENT, "found")


def test_list_shows_path_and_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["models", "list"]) == 0
    shown = capsys.readouterr().out
    assert str(tmp_path / "cache" / "pose" / "pose_detection.tflite") in shown
    assert "missing" in shown


def test_damaged_weights_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache = tmp_path / "cache" / "pose"
    cache.mkdir(parents=True)
    (cache / "pose_detection.tflite").write_bytes(b"DETECTOR")
    assert "has SHA-256" in listed(capsys)["pose_detection.tflite"]


def test_folder_without_weights_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["models", "get", "pose", "--from", str(tmp_path / "nowhere")]) == 78
    assert "no such file or folder" in capsys.readouterr().err


def test_doctor_names_missing_weights(small_weights: Path) -> None:
    finding = diagnosis._pose(load_settings())
    assert (finding.state, finding.remedy) == ("note", "run: cornerman models get pose")
    pose_model.get_weights(small_weights, None, "full")
    assert diagnosis._pose(load_settings()).state == "ok"


def test_doctor_names_missing_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise RuntimeMissingError("LiteRT is not installed; run: pip install ai-edge-litert (Python 3.11 to 3.14)")

    monkeypatch.setattr(pose_model, "litert", missing)
    finding = diagnosis._pose(load_settings())
    assert finding.found == "LiteRT is not installed"
    assert finding.remedy.startswith("run: pip install ai-edge-litert")
