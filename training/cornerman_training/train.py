"""`python -m cornerman_training.train --config coach --out runs/coach`: runs every stage, resumable, from one seed."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import torch

from cornerman_training.auxiliary import FrameHeads
from cornerman_training.export import Card, export_coach, hardware, write_card
from cornerman_training.features import SessionFeatures
from cornerman_training.outputs import check_folder
from cornerman_training.session_cache import SessionCache
from cornerman_training.sizes import TrainingPlan, coach_config, load_plan
from cornerman_training.stages.head import train_head
from cornerman_training.stages.image import load_heads, train_image
from cornerman_training.stages.text import train_text, train_tokenizer
from cornerman_training.stages.video import train_video
from mobile_videogpt.config import MobileVideoGPTConfig
from mobile_videogpt.head import TemporalHead
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.tokenizer import ChatTokenizer
from mobile_videogpt.vision import VisionHalf

VOCABULARY = 1024
FIRST_TEST, TEST_S = 12345, 25.0


def train(
    plan: TrainingPlan, out: Path, evaluate_sessions: int, workers: int, command: str, in_process: bool
) -> dict[str, object]:
    """Runs or continues all stages in `out`; the coach is `out/coach`. Returns the scores on the test split.

    Raises:
        ValueError: if a checkpoint in `out` is damaged.
    """
    began = time.monotonic()
    check_folder(out)
    (out / "plan.json").write_text(json.dumps(plan.to_dict(), indent=1) + "\n", encoding="utf-8")
    tokenizer = train_tokenizer(VOCABULARY)
    config = coach_config(len(tokenizer))
    vision = train_image(config, plan.image, plan.seed, out)
    vision = train_video(vision, plan.video, plan.seed, out).eval()
    teacher = load_heads(config, out)
    cache = SessionCache(out, vision, plan.session_s, workers)
    head = _head(plan, config, cache, out, teacher)
    # Seeds of two runs do not overlap.
    first = plan.seed * 100_000
    encoded = cache.encoded("train", range(first, first + plan.text.sessions))
    validation = cache.encoded("validation", range(first, first + plan.text.validation_sessions))
    model = assemble(vision, tokenizer)
    train_text(model, tokenizer, plan.text, plan.seed, out, encoded, validation, teacher).eval()
    coach = out / "coach"
    size = export_coach(model, head, plan.text.chunks, coach)
    print(f"[export] {coach}: {size / 1e6:.2f} MB after {time.monotonic() - began:.0f} s", flush=True)
    scores = measure(coach, evaluate_sessions, in_process) | {"wall_s": time.monotonic() - began}
    card = Card(
        plan=plan,
        command=command,
        hardware=hardware(),
        wall=f"{(time.monotonic() - began) / 60:.0f} minutes, from the last start of the command to its end",
        date=datetime.now(UTC).date().isoformat(),
        evaluation=f"{TEST_S:g} s each, {'in one process' if in_process else 'through the whole pipeline'}",
        first_seed=FIRST_TEST,
        notes="One run of the command; its curves are in the folder of the run.",
        limits="Square video of one person in a room, drawn by the gym.",
    )
    write_card(coach, card, scores)
    return scores


def measure(coach: Path, sessions: int, in_process: bool) -> dict[str, object]:
    """Scores of the coach and of the simple strategies on the test split, by `cornerman evaluate`.

    Runs it as a program, because training does not import the services.

    Raises:
        ValueError: if it fails, with its error.
    """
    asked = ["--gym", "--model", str(coach), "--seed", str(FIRST_TEST), "--sessions", str(sessions)]
    asked += ["--duration", str(TEST_S), "--json", "--costs", *(["--in-process"] if in_process else [])]
    done = subprocess.run(
        [sys.executable, "-m", "cornerman", "evaluate", *asked], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ValueError(f"the coach in {coach} was trained but could not be measured: {done.stderr.strip()}")
    scores: dict[str, object] = json.loads(done.stdout)
    return scores


def _head(
    plan: TrainingPlan, config: MobileVideoGPTConfig, cache: SessionCache, out: Path, teacher: FrameHeads
) -> TemporalHead:
    # The head's own sessions differ from the text stage's.
    first = plan.seed * 100_000 + (0 if plan.head.video else 10_000)

    def sessions(split: str, count: int) -> list[SessionFeatures]:
        seeds = range(first, first + count)
        if plan.head.video:
            return [encoded.session for encoded in cache.encoded(split, seeds)]
        return cache.image_features(split, seeds)

    training = sessions("train", plan.head.sessions)
    validation = sessions("validation", plan.head.validation_sessions)
    return train_head(config, plan.head, plan.seed, out, training, validation, teacher)


def assemble(vision: VisionHalf, tokenizer: ChatTokenizer) -> MobileVideoGPT:
    """A whole model with a trained vision half; the language half is random."""
    config = replace(
        vision.config,
        action_token_ids=tuple(tokenizer.action_ids[name] for name in vision.config.action_tokens),
        reply_action=True,
    )
    # A fixed seed, so that a continued run starts from the same language half.
    torch.manual_seed(7)
    model = MobileVideoGPT(config, "all")
    model.require_vision().load_state_dict(vision.state_dict())
    model.tokenizer = tokenizer
    return model


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m cornerman_training.train", description=__doc__)
    parser.add_argument("--config", default="coach", help="preset (coach, smoke) or a JSON file")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; started again, it continues")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--evaluate-sessions", type=int, default=None, help="test sessions at the end")
    parser.add_argument("--threads", type=int, default=0, help="torch threads; 0 leaves torch's own choice")
    parser.add_argument("--workers", type=int, default=2, help="processes that render sessions; 0 uses none")
    args = parser.parse_args(argv)
    try:
        plan = load_plan(args.config)
        if args.seed is not None:
            plan = replace(plan, seed=args.seed)
        if args.threads:
            torch.set_num_threads(args.threads)
        small = args.config == "smoke"
        sessions = args.evaluate_sessions or (6 if small else 60)
        command = f"python -m cornerman_training.train --config {args.config} --seed {plan.seed} --out {args.out}"
        scores = train(plan, args.out, sessions, args.workers, command, in_process=small)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(scores, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
