"""A virtual environment of its own: installs a project there, runs its tests, changes one version."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from tests.compat.bounds import canonical

TESTS = ("tests/unit", "tests/contract")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run of pytest ended: its exit code, the tests that fail (node ids) and what it printed."""

    code: int
    failing: frozenset[str]
    output: str

    @property
    def passed(self) -> bool:
        """Every test passed, and there was one."""
        return self.code == 0


class InstallError(RuntimeError):
    """pip could not install; the message is what pip printed."""


class Environment:
    """One end of the range of versions.

    Args:
        folder: where the environment and its pytest cache go; emptied at first use.
        root: the project, installed editable.
    """

    def __init__(self, folder: Path, root: Path) -> None:
        self._root, self._cache = root, folder / "pytest-cache"
        venv.create(folder, clear=True, with_pip=True)
        self._python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"

    def install(self, *arguments: str) -> None:
        """pip install.

        Raises:
            InstallError: if pip fails.
        """
        done = self._run("-m", "pip", "install", "--progress-bar=off", "--disable-pip-version-check", *arguments)
        if done.returncode != 0:
            raise InstallError(done.stdout[max(0, done.stdout.find("ERROR:")) :].strip())

    def versions(self) -> dict[str, str]:
        """Installed versions by canonical name, without the build's label (`+cpu`)."""
        done = self._run("-m", "pip", "list", "--format=json", "--disable-pip-version-check", stderr=subprocess.DEVNULL)
        return {canonical(entry["name"]): entry["version"].partition("+")[0] for entry in json.loads(done.stdout)}

    def test(self, *arguments: str) -> Outcome:
        """The unit and contract tests."""
        done = self._run("-m", "pytest", "-q", "-o", f"cache_dir={self._cache}", *TESTS, *arguments)
        failed = self._cache / "v" / "cache" / "lastfailed"
        failing = frozenset(json.loads(failed.read_text())) if failed.exists() else frozenset()
        return Outcome(done.returncode, failing, done.stdout)

    def test_failed(self) -> Outcome:
        """Only the tests that failed last time."""
        return self.test("--last-failed", "--last-failed-no-failures=none")

    def _run(self, *arguments: str, stderr: int = subprocess.STDOUT) -> subprocess.CompletedProcess[str]:
        # Only this environment's packages: a path in PYTHONPATH would hide which version is tested.
        environ = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [str(self._python), *arguments],
            cwd=self._root,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            check=False,
        )
