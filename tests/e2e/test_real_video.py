"""Real video without exercise: the bundled coach stays silent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.commands import STEADY

MOST_PER_MINUTE = 1.0


@pytest.mark.timeout(1200)  # four processes load the model
def test_coach_is_silent_without_exercise(tmp_path: Path) -> None:
    environment = {**os.environ, **STEADY}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.footage"], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert len(report["clips"]) >= 3
    assert report["minutes"] > 0.3
    assert all(clip["chunks"] > 3 for clip in report["clips"].values())
    assert report["alarms_per_min"] <= MOST_PER_MINUTE, report
