"""`cornerman evaluate`: how well the coach coaches, measured through the product itself, against timed truth."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from cornerman.commands import train
from cornerman.local import options
from cornerman_shared.errors import ConfigError

if TYPE_CHECKING:
    from cornerman.local.baselines import Moment
    from cornerman.local.eval_run import EvalClip, EvalClipRun, EvalRun
    from cornerman_training.evaluate import EvaluationReport, SessionResult, SpokenFeedback, TimedSession

FPS = 8.0
"""Frames a second of the gym's films: what capture samples."""

INTERRUPTED = 130

Coach = Literal["head", "llm", "rules", "interval"]
Split = Literal["train", "validation", "test"]
Kind = Literal["exercise", "quiet", "footage"]


def evaluate(
    video: Annotated[str, typer.Argument(metavar="[VIDEO]", help="A video file with its truth; none = the gym.")] = "",
    gym: Annotated[bool, typer.Option("--gym", help="Sessions of the gym; so too when no file is given.")] = False,
    seed: Annotated[int, typer.Option(help="First session of the gym.")] = 12345,
    sessions: Annotated[int, typer.Option(min=1, help="How many, seed by seed.")] = 10,
    split: Annotated[Split, typer.Option(help="Part of the gym.")] = "test",
    kind: Annotated[Kind | None, typer.Option(help="Only such sessions; by the seed when absent.")] = None,
    duration: Annotated[float | None, typer.Option(help="Seconds a session; by the seed when absent.")] = None,
    fps: Annotated[float, typer.Option(min=1, max=60, help="Frames a second of the gym's films.")] = FPS,
    truth: Annotated[Path | None, typer.Option(help=".json or .vtt; default: the one beside VIDEO.")] = None,
    videos: Annotated[Path | None, typer.Option(help="Folder of the videos that --truth names.")] = None,
    said: Annotated[Path | None, typer.Option(help="Judge what this .json or .vtt says, watch nothing.")] = None,
    strategy: Annotated[Coach, typer.Option(help="Who decides when to speak.")] = "head",
    model: Annotated[Path | None, typer.Option(help="Folder of a trained coach. Default: the bundled one.")] = None,
    in_process: Annotated[
        bool, typer.Option("--in-process", help="The gym without services: quicker, strategy head only.")
    ] = False,
    judge_url: Annotated[str, typer.Option(help="OpenAI-compatible server that judges the words, to /v1.")] = "",
    judge_model: Annotated[str, typer.Option(help="Its model.")] = "",
    bert: Annotated[Path | None, typer.Option(help="Folder of an encoder model, for BERTScore.")] = None,
    costs: Annotated[bool, typer.Option("--costs", help="With --json: what it cost, too.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for report.md, report.json, said.json and pictures.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout, the same every time.")] = False,
    config: options.Config = "",
    sets: options.Set = [],  # noqa: B006 typer's own way to say "repeatable"
    verbose: options.Verbose = False,
) -> None:
    """Measure when the coach speaks, and what it says, against ground truth.

    Videos go through the product's own processes, losslessly, on a server of their own; the same seed gives the same
    numbers. Beside them stands what the strategies `interval` and `rules` reach on the same chunks.
    """
    train.require_training("cornerman evaluate")
    from cornerman.local.eval_clips import given_clips, gym_clips
    from cornerman.local.eval_run import eval_settings
    from cornerman_training.evaluate.judges import JudgeError

    files = bool(video or truth or said)
    if gym and files:
        raise ConfigError("--gym and a file: give one of them")
    if in_process and (files or strategy != "head" or sets or config):
        raise ConfigError("--in-process knows the gym and strategy head only; leave the other options out")
    with tempfile.TemporaryDirectory(prefix="cornerman-") as name:
        try:
            if said is not None:
                report, results = _judge(truth, said)
            elif in_process:
                report, results = _in_process(model, seed, sessions, split, kind, duration)
            else:
                folder = Path(name)
                chosen = eval_settings(folder, strategy, model, config, sets, verbose=verbose)
                if files:
                    asked = given_clips(video, truth, videos)
                else:
                    asked = gym_clips(folder, range(seed, seed + sessions), split, kind, duration, fps)
                report, results = _through_the_product(chosen, asked)
            report = _with_judges(report, judge_url, judge_model, bert)
        except (JudgeError, ValueError) as error:
            raise ConfigError(str(error)) from error
    _write(report, results, out, as_json, costs)


def _through_the_product(
    chosen: options.CommandSettings, asked: Sequence[tuple[EvalClip, TimedSession]]
) -> tuple[EvaluationReport, list[SessionResult]]:
    from cornerman.local.eval_run import StoppedError, show
    from cornerman_training.evaluate import SessionResult

    try:
        exam = show(chosen, [film for film, _ in asked], _tell)
    except StoppedError:
        raise typer.Exit(INTERRUPTED) from None
    results = [
        SessionResult(session, said_in(sitting)) for (_, session), sitting in zip(asked, exam.sittings, strict=True)
    ]
    chunks = [[(d.pts_s, d.motion) for d in sitting.decisions] for sitting in exam.sittings]
    report = _measured(results, chunks)
    return replace(report, costs=costs_of(exam)), results


def said_in(sitting: EvalClipRun) -> tuple[SpokenFeedback, ...]:
    """The words that people heard, in order of time."""
    from cornerman_training.evaluate import SpokenFeedback

    spoken = [
        SpokenFeedback(end.pts_s, end.text, "correct" if end.action == "correct" else "feedback")
        for end in sitting.ends
        if end.kind == "feedback" and end.status == "done" and not end.silent and end.text.strip()
    ]
    return tuple(sorted(spoken, key=lambda one: one.time_s))


def costs_of(exam: EvalRun) -> dict[str, float]:
    """Processor time by role, and how long decisions and first tokens took, milliseconds."""
    decisions = [d for sitting in exam.sittings for d in sitting.decisions]
    took = sorted(1000 * (d.times.decided_at_s - d.times.encoded_at_s) for d in decisions)
    firsts = sorted(end.ttft_ms for sitting in exam.sittings for end in sitting.ends if end.ttft_ms > 0)
    found = {f"{role}_cpu_ms_per_chunk": 1000 * s / max(1, len(decisions)) for role, s in exam.cpu_s.items()}
    found["encoded_to_decided_ms_p50"] = took[len(took) // 2] if took else 0.0
    found["first_token_ms_p50"] = firsts[len(firsts) // 2] if firsts else 0.0
    return {name: round(value, 2) for name, value in found.items()}


def _in_process(
    model: Path | None, seed: int, sessions: int, split: Split, kind: Kind | None, duration_s: float | None
) -> tuple[EvaluationReport, list[SessionResult]]:
    from cornerman_capture.motion import grey, motion
    from cornerman_common.model_location import bundled
    from cornerman_training.evaluate.gym import costs_of as gym_costs
    from cornerman_training.evaluate.gym import coach_runs
    from cornerman_training.inprocess import Coach
    from mobile_videogpt.errors import ModelError

    results: list[SessionResult] = []
    chunks: list[list[Moment]] = []
    try:
        coach = Coach(model or bundled("coach"))
    except ModelError as error:
        raise ConfigError(f"--model cannot be loaded: {error}") from error
    for seen in coach_runs(coach, range(seed, seed + sessions), split, kind, duration_s):
        results.append(seen.result)
        chunks.append([(pts_s, motion(grey(clip[0]), grey(clip[-1]))) for pts_s, clip in seen.chunks()])
        _tell(len(results), sessions)
    return replace(_measured(results, chunks), costs=gym_costs(coach.costs)), results


def _judge(truth: Path | None, said: Path) -> tuple[EvaluationReport, list[SessionResult]]:
    from cornerman_training.evaluate import SessionResult
    from cornerman_training.evaluate.sources import read_truth

    if truth is None:
        raise ConfigError("--said needs --truth, the file with what should have been said")
    known, spoken = read_truth(truth), read_truth(said)
    if len(known) != len(spoken):
        raise ConfigError(f"{truth} holds {len(known)} sessions, {said} {len(spoken)}; make them match")
    results = [SessionResult(t, s.truth) for t, s in zip(known, spoken, strict=True)]
    return _measured(results, []), results


def _measured(results: list[SessionResult], chunks: list[list[Moment]]) -> EvaluationReport:
    """The report, with the baselines over the same chunks; where no video was watched there are none."""
    from cornerman.local.baselines import baselines
    from cornerman_training.evaluate import SessionResult
    from cornerman_training.evaluate import evaluate as measure
    from cornerman_training.evaluate.words import MeaningOf
    from cornerman_training.gym.phrases import meanings

    simple: dict[str, list[SessionResult]] = {}
    for result, seen in zip(results, chunks, strict=False):
        for name, words in baselines(seen).items():
            simple.setdefault(name, []).append(SessionResult(result.session, words))
    return measure(results, MeaningOf(meanings()), simple)


def _with_judges(report: EvaluationReport, url: str, name: str, bert: Path | None) -> EvaluationReport:
    from cornerman_training.evaluate.judges import bert_score, llm_accuracy

    extra = dict(report.extra)
    if url:
        extra["llm_accuracy"] = llm_accuracy(report.met, url, name)
    if bert is not None:
        extra["bert_score"] = bert_score(report.met, bert)
    return replace(report, extra=extra)


def _write(
    report: EvaluationReport, results: list[SessionResult], out: Path | None, as_json: bool, costs: bool
) -> None:
    from cornerman_training.evaluate.markdown import as_markdown

    values = report.to_dict()
    full = {**values, "costs": dict(report.costs)}
    if out is not None:
        from cornerman_training.evaluate.plots import draw_all

        out.mkdir(parents=True, exist_ok=True)
        (out / "report.md").write_text(as_markdown(report), encoding="utf-8")
        (out / "report.json").write_text(json.dumps(full, indent=1) + "\n", encoding="utf-8")
        (out / "said.json").write_text(json.dumps(_heard(results), indent=1) + "\n", encoding="utf-8")
        draw_all(results, report, out)
    print(json.dumps(full if costs else values, indent=1) if as_json else as_markdown(report))


def _heard(results: Sequence[SessionResult]) -> list[dict[str, object]]:
    """What was said in each session, as `--said` reads it."""
    return [
        {
            "video": result.session.name,
            "duration_s": result.session.duration_s,
            "feedbacks": [{"time_s": s.time_s, "action": s.action, "text": s.text} for s in result.said],
        }
        for result in results
    ]


def _tell(done: int, of: int) -> None:
    """How far it is, on stderr."""
    Console(stderr=True).print(f"{done}/{of} sessions", end="\r" if done < of else "\n", highlight=False)
