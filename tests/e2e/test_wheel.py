"""The wheel: its contents, and an installation beside a user's own `shared`, `services` and `training`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import av
import numpy as np
import pytest

from cornerman import __version__
from tests.conftest import Server
from tests.e2e.commands import FAKES, FAST, PATIENCE_S, STEADY
from tests.style.tree import PACKAGES

ROOT = Path(__file__).parents[2]
INSTALLED = [name for name, folder in PACKAGES.items() if (ROOT / folder / name).is_dir()]
OWN_PACKAGES = ("shared", "services", "training", "benchmarks")

VERSIONS = """
import cornerman, importlib.metadata
print(cornerman.__version__, importlib.metadata.version("cornerman"), cornerman.__file__)
"""
API_VERSION = """
from cornerman_gateway.app import create_app
from unittest.mock import MagicMock
print(create_app(MagicMock()).version)
"""
CLIENT = """
import sys, cornerman
for feedback in cornerman.follow("clip", redis=sys.argv[1], since="0"):
    print(feedback.text)
    break
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel, on top of the dependencies that the tests run with.

    Its path file lists the tests' own site-packages. Path files there, the editable installation among them, are not
    read: only those of the environment itself are.
    """
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=PATIENCE_S)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    dependencies = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (site_packages / "dependencies.pth").write_text("\n".join(dependencies))
    _pip(
        "--python",
        str(folder / "bin" / "python"),
        "install",
        "--no-deps",
        "--no-index",
        "--ignore-installed",
        str(wheel),
    )
    return folder / "bin"


@pytest.fixture
def own_folder(tmp_path: Path) -> Path:
    """A project folder with packages that have the names of this repository's folders."""
    for name in OWN_PACKAGES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('the user\\'s own package was imported')\n")
    return tmp_path


def _pip(*line: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *line]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr


def run(folder: Path, *line: str | Path, codes: tuple[int, ...] = (0,), **variables: str) -> str:
    """Runs a command as a user of the installation does; returns its stdout."""
    environment: Mapping[str, str] = {
        **{name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")},
        "CORNERMAN_RUNTIME__DIR": str(folder / "run"),
        **STEADY,
        **variables,
    }
    done = subprocess.run(
        [str(word) for word in line], cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode in codes, done.stderr
    return done.stdout


def names(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


def files_of(package: str) -> Iterator[str]:
    """Paths inside the wheel of every file that git tracks below a package."""
    folder = ROOT / PACKAGES[package]
    listed = subprocess.run(["git", "ls-files", package], cwd=folder, capture_output=True, text=True, check=True)
    yield from listed.stdout.splitlines()


@pytest.mark.parametrize("package", INSTALLED)
def test_wheel_holds_every_file(wheel: Path, package: str) -> None:
    assert set(files_of(package)) - names(wheel) == set()
    assert f"{package}/py.typed" in names(wheel)


def test_wheel_holds_data_files(wheel: Path) -> None:
    found = names(wheel)
    for suffix in (
        ".lua",
        ".html",
        ".js",
        ".css",
        "coach/model.safetensors",
        "assets/demo.mp4",
        "temporal.safetensors",
    ):
        assert any(name.endswith(suffix) for name in found), suffix


def test_pose_needs_base_packages_only(wheel: Path) -> None:
    """The nets on skeletons are in the wheel, and read by a package that every installation has."""
    needed = ("temporal.safetensors", "drawn.safetensors", "figures.safetensors", "movements.json")
    assert {f"cornerman_pose/assets/{name}" for name in needed} <= names(wheel)
    metadata = zipfile.ZipFile(wheel).read(f"cornerman-{__version__}.dist-info/METADATA").decode()
    assert re.search(r"^Requires-Dist: safetensors[^;]*$", metadata, re.MULTILINE)


def test_wheel_adds_no_other_packages(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in names(wheel)}
    assert tops == {*INSTALLED, f"cornerman-{__version__}.dist-info"}


def test_version_has_one_place(environment: Path, own_folder: Path) -> None:
    package, metadata, file = run(own_folder, environment / "python", "-c", VERSIONS).split()
    assert package == metadata == __version__
    assert str(environment.parent) in file
    assert run(own_folder, environment / "cornerman", "--version") == f"cornerman {__version__}\n"
    assert run(own_folder, environment / "python", "-c", API_VERSION).strip() == __version__


def test_every_package_imports_installed(environment: Path, own_folder: Path) -> None:
    code = f"import {', '.join(INSTALLED)}; print([m.__file__ for m in ({', '.join(INSTALLED)},)])"
    found = run(own_folder, environment / "python", "-c", code)
    assert found.count(str(environment.parent)) == len(INSTALLED)


def test_installed_commands_run(environment: Path, own_folder: Path) -> None:
    assert "Usage:" in run(own_folder, environment / "cornerman", "--help")
    assert "Usage:" in run(own_folder, environment / "python", "-m", "cornerman", "--help")
    checks = run(own_folder, environment / "cornerman", "doctor", "--json", codes=(0, 1))
    assert {json.loads(line)["what"] for line in checks.splitlines()} >= {"python", "server", "demo"}


def test_installed_run_gives_feedback(environment: Path, own_folder: Path, own_server: Server) -> None:
    write_clip(own_folder / "clip.mp4", seconds=2)
    line = ("run", "clip.mp4", "--json", "--lossless", "--strategy", "interval", "--prompt", "Hello there")
    out = run(own_folder, environment / "cornerman", *line, *FAKES, *FAST, "--redis", own_server.url)
    lines = [json.loads(text) for text in out.splitlines()]
    assert lines[-1]["sources"]["clip"]["decided"] > 0
    (text,) = [text["text"] for text in lines if text["type"] == "feedback"]
    assert "Hello there" in text
    assert run(own_folder, environment / "python", "-c", CLIENT, own_server.url).strip() == text


def write_clip(path: Path, seconds: int) -> None:
    """Grey frames, 10 a second."""
    with av.open(str(path), "w") as writer:
        stream = writer.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(10 * seconds):
            frame = np.full((120, 160, 3), 8 * number, np.uint8)
            writer.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        writer.mux(stream.encode(None))
