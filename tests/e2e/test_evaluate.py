"""`cornerman evaluate` through the services: deterministic, and equal to the coach alone on the same frames."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from cornerman_common.bundle import bundled
from cornerman_training.gym.cli import render
from cornerman_training.inprocess import InProcessCoach
from tests.e2e.commands import STEADY

pytestmark = pytest.mark.timeout(1800)  # each evaluation starts four processes that load the model

SHORT = ("--duration", "14")  # long enough for some feedback


def evaluate(folder: Path, *line: str) -> dict[str, Any]:
    environment = {**os.environ, "CORNERMAN_RUNTIME__DIR": str(folder / "run"), **STEADY}
    command = [sys.executable, "-m", "cornerman", "evaluate", *line, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_seed_determines_the_numbers(tmp_path: Path) -> None:
    line = ("--gym", "--sessions", "2", *SHORT, "--kind", "exercise")
    first, again = (evaluate(tmp_path, *line, "--seed", "12345", "--out", str(tmp_path / n)) for n in ("a", "b"))
    assert first == again
    said = [(tmp_path / n / "said.json").read_text() for n in ("a", "b")]
    assert said[0] == said[1]
    assert first["said_feedbacks"] > 0
    assert set(first["baselines"]) == {"interval", "rules"}
    assert evaluate(tmp_path, *line, "--seed", "777")["groups"] != first["groups"]


def test_services_match_the_coach_alone(tmp_path: Path) -> None:
    clip = tmp_path / "session.mp4"
    render(12346, clip, size=224, fps=8.0, duration_s=16.0, kind="exercise")
    coach = InProcessCoach(bundled("coach"))
    window = f"speak.repeat_window_s={coach.head.config.repeat_window_s}"
    report = evaluate(tmp_path, str(clip), "--set", window, "--out", str(tmp_path / "out"), "--costs")
    (session,) = json.loads((tmp_path / "out" / "said.json").read_text())
    with av.open(str(clip)) as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    alone = coach.feedbacks(frames)
    assert len(alone) > 1
    assert [(s["time_s"], s["action"]) for s in session["feedbacks"]] == [(s.time_s, s.action) for s in alone]
    assert report["minutes"] == pytest.approx(16.0 / 60)
    assert report["costs"]["encoder_cpu_ms_per_chunk"] > 0


def test_interval_run_matches_its_baseline(tmp_path: Path) -> None:
    line = (
        "--gym",
        "--sessions",
        "1",
        "--duration",
        "12",
        "--strategy",
        "interval",
        "--set",
        "speak.repeat_window_s=0",
    )
    report = evaluate(tmp_path, *line, "--out", str(tmp_path / "out"))
    assert report["said_feedbacks"] > 2
    baseline = report["baselines"]["interval"]
    assert {name: report[name] for name in baseline} == pytest.approx(baseline)


def test_language_model_decides_and_corrects(tmp_path: Path) -> None:
    line = ("--gym", "--sessions", "2", "--duration", "25", "--kind", "exercise", "--strategy", "llm")
    report = evaluate(tmp_path, *line, "--out", str(tmp_path / "out"))
    said = [s for session in json.loads((tmp_path / "out" / "said.json").read_text()) for s in session["feedbacks"]]
    assert "correct" in {s["action"] for s in said}
    assert report["mistake_accuracy"] > 0.5
    assert report["temporal_f_score"] > max(simple["temporal_f_score"] for simple in report["baselines"].values())
