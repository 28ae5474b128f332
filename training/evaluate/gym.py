"""Evaluates a trained coach on sessions of the gym, in one process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from training.chunks import SAMPLE_FPS
from training.evaluate.baselines import every, on_motion
from training.evaluate.messages import SessionResult
from training.evaluate.report import Report, evaluate
from training.evaluate.words import MeaningOf
from training.gym.phrases import meanings
from training.gym.session import plan_session
from training.inprocess import Coach, as_truth, motion, pictures

_HIGH, _LOW, _PAUSE_S = 0.7, 0.56, 3.0


def evaluate_gym(
    folder: Path,
    seed: int,
    sessions: int,
    split: str = "test",
    kind: str | None = None,
    duration_s: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Report, list[SessionResult]]:
    """Watch `sessions` sessions with seeds `seed`, `seed + 1`, ... and measure; the same numbers every time.

    Raises:
        ValueError: for fewer than one session.
        CheckpointError: when the coach in `folder` is incomplete.
    """
    if sessions < 1:
        raise ValueError(f"sessions is {sessions}: evaluate at least one")
    coach = Coach(folder)
    results: list[SessionResult] = []
    simple: dict[str, list[SessionResult]] = {"interval": [], "rules": []}
    for i in range(sessions):
        session = plan_session(seed + i, split, fps=SAMPLE_FPS, duration_s=duration_s, kind=kind)
        frames = np.stack(list(pictures(session)))
        truth = as_truth(session)
        results.append(SessionResult(truth, tuple(coach.watch(frames))))
        simple["interval"].append(SessionResult(truth, every(truth)))
        simple["rules"].append(SessionResult(truth, on_motion(motion(frames), _HIGH, _LOW, _PAUSE_S)))
        if progress is not None:
            progress(i + 1, sessions)
    report = evaluate(results, MeaningOf(meanings()), simple)
    costs = coach.costs
    firsts = sorted(costs.first_token_s)
    extra = {
        "encode_ms_per_chunk": 1000 * costs.encode_s / max(1, costs.chunks),
        "head_ms_per_chunk": 1000 * costs.head_s / max(1, costs.chunks),
        "first_token_ms_p50": 1000 * firsts[len(firsts) // 2] if firsts else 0.0,
    }
    return replace(report, extra=extra), results
