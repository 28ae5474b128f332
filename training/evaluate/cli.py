"""`python -m training.evaluate`: a trained coach on the gym, or any predictions against any timed truth."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mobile_videogpt.errors import ModelError
from training.evaluate.baselines import every
from training.evaluate.judges import JudgeError, bert_score, llm_accuracy
from training.evaluate.markdown import as_markdown
from training.evaluate.messages import SessionResult
from training.evaluate.plots import draw_all
from training.evaluate.report import Report, evaluate
from training.evaluate.sources import read_truth
from training.evaluate.words import MeaningOf
from training.gym.phrases import meanings
from training.gym.splits import SPLITS

BUNDLED = Path(__file__).parents[2] / "cornerman" / "assets" / "coach"


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("--gym", action="store_true", help="sessions of the gym; so too when there is no --truth")
    parser.add_argument(
        "--model", type=Path, default=BUNDLED, help="folder of a trained coach; the bundled one if absent"
    )
    parser.add_argument("--seed", type=int, default=12345, help="first session of the gym")
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--split", choices=SPLITS, default="test")
    parser.add_argument("--kind", choices=("exercise", "quiet", "footage"), default=None)
    parser.add_argument("--duration", type=float, default=None, help="seconds a session; by the seed when absent")
    parser.add_argument("--truth", type=Path, help=".json or .vtt, instead of the gym")
    parser.add_argument("--said", type=Path, help=".json or .vtt of what was said, for --truth")
    parser.add_argument("--judge-url", help="OpenAI-compatible server that judges the words, up to /v1")
    parser.add_argument("--judge-model", default="", help="its model")
    parser.add_argument("--bert", type=Path, help="folder of an encoder model, for BERTScore")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--out", type=Path, help="folder for report.md, report.json and pictures")
    args = parser.parse_args(argv)
    try:
        report, results = _measure(args)
        extra = dict(report.extra)
        if args.judge_url:
            extra["llm_accuracy"] = llm_accuracy(report.met, args.judge_url, args.judge_model)
        if args.bert is not None:
            extra["bert_score"] = bert_score(report.met, args.bert)
        report = replace(report, extra=extra)
    except (ValueError, ModelError, JudgeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "report.md").write_text(as_markdown(report), encoding="utf-8")
        (args.out / "report.json").write_text(json.dumps(report.to_dict(), indent=1) + "\n", encoding="utf-8")
        draw_all(results, report, args.out)
    print(json.dumps(report.to_dict(), indent=1) if args.json else as_markdown(report))
    return 0


def _measure(args: argparse.Namespace) -> tuple[Report, list[SessionResult]]:
    if args.truth is not None and not args.gym:
        if args.said is None:
            raise ValueError("--truth needs --said, the file with what was said")
        truth, said = read_truth(args.truth), read_truth(args.said)
        if len(truth) != len(said):
            raise ValueError(f"{args.truth} holds {len(truth)} sessions, {args.said} {len(said)}; make them match")
        results = [SessionResult(t, s.truth) for t, s in zip(truth, said, strict=True)]
        interval = [SessionResult(t, every(t)) for t in truth]
        return evaluate(results, MeaningOf(meanings()), {"interval": interval}), results
    from training.evaluate.gym import evaluate_gym

    def tell(done: int, of: int) -> None:
        print(f"\r{done}/{of} sessions", end="" if done < of else "\n", file=sys.stderr, flush=True)

    return evaluate_gym(args.model, args.seed, args.sessions, args.split, args.kind, args.duration, tell)
