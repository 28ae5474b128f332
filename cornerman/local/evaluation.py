"""Evaluates a coach: runs or reads sessions, and scores their feedback against ground truth beside the baselines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cornerman_shared.errors import ConfigError

if TYPE_CHECKING:
    from cornerman.local.baselines import ChunkMotion
    from cornerman.local.eval_clips import EvalClip
    from cornerman.local.eval_run import EvalClipRun, EvalRun
    from cornerman.local.options import CommandSettings
    from cornerman_training.evaluate import EvaluationReport, SessionResult, SpokenFeedback, TimedSession

    Evaluated = tuple[EvaluationReport, list[SessionResult]]
    Progress = Callable[[int, int], None]


def evaluate_clips(
    chosen: CommandSettings, pairs: Sequence[tuple[EvalClip, TimedSession]], progress: Progress
) -> Evaluated:
    """Runs clips through the services and scores them.

    Raises:
        StoppedError: Ctrl-C; see also `eval_run.run_clips`.
    """
    from cornerman.local.eval_run import run_clips
    from cornerman_training.evaluate import SessionResult

    run = run_clips(chosen, [clip for clip, _ in pairs], progress)
    results = [SessionResult(session, feedback_in(clip)) for (_, session), clip in zip(pairs, run.clips, strict=True)]
    chunks = [[(decision.pts_s, decision.motion) for decision in clip.decisions] for clip in run.clips]
    return replace(score(results, chunks), costs=costs_of(run)), results


def evaluate_in_process(
    model: Path | None,
    seeds: range,
    split: str,
    kind: str | None,
    duration_s: float | None,
    progress: Progress,
) -> Evaluated:
    """Runs sessions of the gym through the coach in this process and scores them.

    Raises:
        ConfigError: the model cannot be loaded.
    """
    from cornerman_capture.motion import grey, motion
    from cornerman_common.bundle import bundled
    from cornerman_training.evaluate.gym import coach_runs
    from cornerman_training.evaluate.gym import costs_of as gym_costs
    from cornerman_training.inprocess import InProcessCoach
    from mobile_videogpt.errors import ModelError

    results: list[SessionResult] = []
    chunks: list[list[ChunkMotion]] = []
    try:
        coach = InProcessCoach(model or bundled("coach"))
    except ModelError as error:
        raise ConfigError(f"--model cannot be loaded: {error}") from error
    for seen in coach_runs(coach, seeds, split, kind, duration_s):
        results.append(seen.result)
        chunks.append([(pts_s, motion(grey(clip[0]), grey(clip[-1]))) for pts_s, clip in seen.chunks()])
        progress(len(results), len(seeds))
    return replace(score(results, chunks), costs=gym_costs(coach.costs)), results


def evaluate_files(truth: Path | None, feedback: Path) -> Evaluated:
    """Scores the feedback of one file against the truth of another.

    Raises:
        ConfigError: the truth is missing, or the files hold different numbers of sessions.
        ValueError: a file cannot be read.
    """
    from cornerman_training.evaluate import SessionResult
    from cornerman_training.evaluate.sources import read_truth

    if truth is None:
        raise ConfigError("--said needs --truth, the file with what should have been said")
    known, spoken = read_truth(truth), read_truth(feedback)
    if len(known) != len(spoken):
        raise ConfigError(f"{truth} holds {len(known)} sessions, {feedback} {len(spoken)}; make them match")
    results = [SessionResult(t, s.truth) for t, s in zip(known, spoken, strict=True)]
    return score(results, []), results


def score(results: list[SessionResult], chunks: list[list[ChunkMotion]]) -> EvaluationReport:
    """The report, with the baselines over the same chunks; without chunks there are no baselines."""
    from cornerman.local.baselines import baselines
    from cornerman_training.evaluate import SessionResult
    from cornerman_training.evaluate import evaluate as measure
    from cornerman_training.evaluate.words import MeaningOf
    from cornerman_training.gym.phrases import meanings

    simple: dict[str, list[SessionResult]] = {}
    # Feedback read from files has no chunks: the lists may differ in length.
    for result, seen in zip(results, chunks, strict=False):
        for name, feedback in baselines(seen).items():
            simple.setdefault(name, []).append(SessionResult(result.session, feedback))
    return measure(results, MeaningOf(meanings()), simple)


def with_judges(report: EvaluationReport, url: str, name: str, bert: Path | None) -> EvaluationReport:
    """The report with the scores of a language model at `url` and of BERTScore, each if asked for.

    Raises:
        JudgeError: a judge cannot be reached or loaded.
    """
    from cornerman_training.evaluate.judges import bert_score, llm_accuracy

    extra = dict(report.extra)
    if url:
        extra["llm_accuracy"] = llm_accuracy(report.matches, url, name)
    if bert is not None:
        extra["bert_score"] = bert_score(report.matches, bert)
    return replace(report, extra=extra)


def feedback_in(run: EvalClipRun) -> tuple[SpokenFeedback, ...]:
    """Feedback that was shown to people, in order of media time."""
    from cornerman_training.evaluate import SpokenFeedback

    spoken = [
        SpokenFeedback(end.pts_s, end.text, "correct" if end.action == "correct" else "feedback")
        for end in run.ends
        if end.kind == "feedback" and end.status == "done" and not end.silent and end.text.strip()
    ]
    return tuple(sorted(spoken, key=lambda feedback: feedback.time_s))


def costs_of(run: EvalRun) -> dict[str, float]:
    """Processor milliseconds a chunk by role, and median milliseconds to the decision and to the first token."""
    decisions = [decision for clip in run.clips for decision in clip.decisions]
    # Milliseconds; the clocks of both stages are unix time on one machine.
    took = sorted(1000 * (d.times.decided_at_s - d.times.encoded_at_s) for d in decisions)
    firsts = sorted(end.ttft_ms for clip in run.clips for end in clip.ends if end.ttft_ms > 0)
    found = {f"{role}_cpu_ms_per_chunk": 1000 * s / max(1, len(decisions)) for role, s in run.cpu_s.items()}
    found["encoded_to_decided_ms_p50"] = took[len(took) // 2] if took else 0.0
    found["first_token_ms_p50"] = firsts[len(firsts) // 2] if firsts else 0.0
    return {name: round(value, 2) for name, value in found.items()}


def said_rows(results: Sequence[SessionResult]) -> list[dict[str, object]]:
    """The feedback of each session as JSON types, as `--said` reads them."""
    return [
        {
            "video": result.session.name,
            "duration_s": result.session.duration_s,
            "feedbacks": [{"time_s": s.time_s, "action": s.action, "text": s.text} for s in result.said],
        }
        for result in results
    ]
