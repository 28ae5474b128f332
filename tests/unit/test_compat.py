"""`make compat` on a tiny project: an environment made from wheels in a folder, where one lower bound lies."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.compat.__main__ import remaining
from tests.compat.bounds import BoundError, lower_bounds

ROOT = Path(__file__).resolve().parents[2]
PYTEST = ("pytest", "pluggy", "iniconfig", "packaging", "pygments")
BACKEND = '''"""Builds the tiny project without setuptools."""
import zipfile

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name = "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{wheel_directory}/{name}", "w") as wheel:
        lines = ["Metadata-Version: 2.1", "Name: tiny", "Version: 1.0", "Provides-Extra: dev", *REQUIRES]
        wheel.writestr("tiny-1.0.dist-info/METADATA", "\\n".join(lines))
        wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any")
        wheel.writestr("tiny-1.0.dist-info/RECORD", "")
    return name

build_wheel = build_editable
'''


def repack(name: str, folder: Path) -> str:
    """A wheel of an installed pure package; returns its version."""
    found = importlib.metadata.distribution(name)
    with zipfile.ZipFile(folder / f"{name}-{found.version}-py3-none-any.whl", "w") as wheel:
        for file in found.files or []:
            path = Path(str(found.locate_file(file)))
            if ".." not in file.parts and file.suffix != ".pyc" and path.exists():
                wheel.write(path, str(file))
    return found.version


def write_wheel(folder: Path, name: str, version: str, code: str) -> None:
    """A wheel of one module."""
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", code)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pytest itself and two versions of `lens`, of which only the second can focus."""
    folder = tmp_path_factory.mktemp("wheels")
    for name in PYTEST:
        repack(name, folder)
    write_wheel(folder, "lens", "1.0", "")
    write_wheel(folder, "lens", "2.0", "def focus(): return 'sharp'")
    write_wheel(folder, "frame", "1.0", "")
    write_wheel(folder, "frame", "1.5", "")
    return folder


def project(folder: Path, bounds: list[str]) -> Path:
    """A project that needs `lens.focus`, with the given requirements."""
    tester = f"pytest>={importlib.metadata.version('pytest')}"
    (folder / "tests/unit").mkdir(parents=True)
    (folder / "tests/contract").mkdir()
    (folder / "tests/unit/test_lens.py").write_text(
        "import lens\n\ndef test_focus():\n    assert lens.focus() == 'sharp'\n\ndef test_truth():\n    assert True\n"
    )
    (folder / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
        f"[project]\nname = 'tiny'\nversion = '1.0'\ndependencies = {bounds}\n"
        f"[project.optional-dependencies]\ndev = [{tester!r}]\n"
    )
    requires = [f"Requires-Dist: {bound}" for bound in bounds] + [f"Requires-Dist: {tester}; extra == 'dev'"]
    (folder / "backend.py").write_text(BACKEND.replace("REQUIRES", repr(requires)))
    (folder / "constraints.txt").write_text("lens==2.0\nframe==1.5\n")
    return folder


def run_compat(root: Path, wheels: Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "tests.compat", "--root", root, "--folder", root / ".compat", "--end", "lowest"]
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_CONFIG_FILE": os.devnull}
    return subprocess.run(
        list(map(str, line)), cwd=ROOT, env=os.environ | offline, capture_output=True, text=True, check=False
    )


def test_true_bounds_pass(tmp_path: Path, wheels: Path) -> None:
    done = run_compat(project(tmp_path, ["lens>=2.0", "frame>=1.0"]), wheels)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| lens | 2.0 | 2.0 |" in done.stdout
    assert "| frame | 1.0 | 1.5 |" in done.stdout


def test_lying_bound_fails_and_is_named(tmp_path: Path, wheels: Path) -> None:
    done = run_compat(project(tmp_path, ["lens>=1.0", "frame>=1.0"]), wheels)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "lowest: 1 failed, 1 passed" in done.stdout
    assert "lowest: lens 1.0 broke 1 tests; 2.0 passes" in done.stdout
    assert "frame 1.0 broke" not in done.stdout


def test_missing_version_fails(tmp_path: Path, wheels: Path) -> None:
    done = run_compat(project(tmp_path, ["lens>=1.5", "frame>=1.0"]), wheels)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "lowest: cannot be installed" in done.stdout
    assert "lens==1.5" in done.stdout


def test_requirement_without_bound_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BoundError, match=r"'frame' .* has no lower bound; write frame>=VERSION"):
        lower_bounds(project(tmp_path, ["lens>=1.0", "frame"]) / "pyproject.toml", ["dev"])


@pytest.mark.parametrize(
    ("now", "left"),
    [
        ({"a.py::one"}, {"a.py::one"}),
        ({"a.py::two", "b.py"}, set()),
        ({"a.py"}, {"a.py::one"}),
        ({"c.py::three"}, {"c.py"}),
        (set(), set()),
    ],
)
def test_remaining_compares_tests_and_modules(now: set[str], left: set[str]) -> None:
    assert remaining(frozenset({"a.py::one", "c.py"}), frozenset(now)) == left
