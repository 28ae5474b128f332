"""Evaluates a trained coach on sessions of the gym, in one process, without services."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cornerman_training.evaluate.messages import SessionResult
from cornerman_training.evaluate.report import EvaluationReport, evaluate
from cornerman_training.evaluate.words import MeaningOf
from cornerman_training.gym.phrases import meanings
from cornerman_training.gym.session import plan_session
from cornerman_training.inprocess import Costs, InProcessCoach, as_truth, pictures
from cornerman_training.sampling import CHUNK, SAMPLE_FPS, chunk_ends


@dataclass(frozen=True, slots=True)
class CoachRun:
    """One session: its feedbacks, and its frames [T,H,W,3] at `SAMPLE_FPS`."""

    result: SessionResult
    frames: NDArray[np.uint8]

    def chunks(self) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        """Media time of each chunk's newest frame, and its frames [8,H,W,3]."""
        for end in chunk_ends(len(self.frames)):
            yield float(end / SAMPLE_FPS), self.frames[end - CHUNK + 1 : end + 1]


def coach_runs(
    coach: InProcessCoach,
    seeds: Iterable[int],
    split: str = "test",
    kind: str | None = None,
    duration_s: float | None = None,
) -> Iterator[CoachRun]:
    """Runs the coach over one session per seed; the same every time.

    Raises:
        ValueError: for an unknown split or kind, or a duration out of range.
    """
    for seed in seeds:
        session = plan_session(seed, split, fps=SAMPLE_FPS, duration_s=duration_s, kind=kind)
        frames = np.stack(list(pictures(session)))
        yield CoachRun(SessionResult(as_truth(session), tuple(coach.feedbacks(frames))), frames)


def evaluate_gym(
    folder: Path,
    seed: int,
    sessions: int,
    split: str = "test",
    kind: str | None = None,
    duration_s: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[EvaluationReport, list[SessionResult]]:
    """Evaluates `sessions` sessions with seeds `seed`, `seed + 1`, ..., without baselines.

    Raises:
        ValueError: for fewer than one session.
        CheckpointError: if the coach in `folder` is incomplete.
    """
    if sessions < 1:
        raise ValueError(f"sessions is {sessions}: evaluate at least one")
    coach = InProcessCoach(folder)
    results: list[SessionResult] = []
    for run in coach_runs(coach, range(seed, seed + sessions), split, kind, duration_s):
        results.append(run.result)
        if progress is not None:
            progress(len(results), sessions)
    report = evaluate(results, MeaningOf(meanings()))
    return replace(report, costs=costs_of(coach.costs)), results


def costs_of(costs: Costs) -> dict[str, float]:
    """Milliseconds per chunk, and to the first token."""
    firsts = sorted(costs.first_token_s)
    return {
        "encode_ms_per_chunk": 1000 * costs.encode_s / max(1, costs.chunks),
        "head_ms_per_chunk": 1000 * costs.head_s / max(1, costs.chunks),
        "first_token_ms_p50": 1000 * firsts[len(firsts) // 2] if firsts else 0.0,
    }
