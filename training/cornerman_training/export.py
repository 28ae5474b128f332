"""Exports a trained coach as a folder that the product loads: model, tokenizer, head and model card."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from cornerman_training.gym.labels import EXERCISES
from mobile_videogpt.head import TemporalHead

if TYPE_CHECKING:
    from cornerman_training.sizes import TrainingPlan
    from mobile_videogpt.modeling import MobileVideoGPT


_CARD = """# The bundled coach

A small Mobile-VideoGPT ({parameters:.2f} million parameters, {megabytes:.1f} MB): the same classes as the published
0.5B (bidirectional VideoMamba, CLIP vision transformer, ETP projectors, Qwen2 with action tokens), small sizes and its
own tokenizer, and a temporal head ({head_kilobytes:.0f} KB) that decides when to speak.

**It works on the gym only.** All its training data is synthetic video of `cornerman_training.gym`: five exercises of a
drawn figure. It was not trained on real people, and its feedback about them is meaningless. For real people load the
published Mobile-VideoGPT checkpoint.

## Training

| | |
|---|---|
| image tower | {frames:,} random frames of `cornerman_training.gym`, split `train` |
| video tower | {chunks:,} random chunks of 8 frames, guided by the image tower |
| head | {head_sessions} sessions of {session_s:g} s, {head_steps:,} steps of {head_batch} |
| text | {text_sessions} sessions of {session_s:g} s, {text_steps:,} steps of {text_batch} |
| seed | {seed} |
| command | `{command}` |
| hardware | {hardware} |
| wall time | {wall} |
| date | {date} |

{notes}

## Scores

Split `test` of the gym (bodies, cameras, places and wordings outside the training split), {sessions} sessions from seed
{first_seed} on, {minutes:.0f} minutes, {evaluation}:

| measure | value |
|---|---|
{scores}

Milliseconds were measured while other work ran on the machine.

| baseline on the same sessions | temporal F-score |
|---|---|
{baselines}

## Limits

{limits}
"""


@dataclass(frozen=True, slots=True)
class Card:
    """Contents of a model card besides the scores."""

    plan: TrainingPlan
    command: str
    hardware: str
    wall: str
    date: str
    evaluation: str
    first_seed: int
    notes: str
    limits: str


def hardware() -> str:
    """Describes the machine: CPU cores, GPU and torch version."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{os.cpu_count()} CPU cores, {gpu}, torch {torch.__version__}"


ABILITIES: Mapping[str, object] = {
    "topics": ["form"],
    "follows_prompts": False,
    "exercises": list(EXERCISES),
    "sees": "pictures",
    "languages": ["en"],
}
"""Abilities of every coach of the gym: its words are corrections and praise, whatever it is asked."""


def export_coach(model: MobileVideoGPT, head: TemporalHead, context_chunks: int, folder: Path) -> int:
    """Writes the coach in half precision; returns the size of its weights in bytes.

    Args:
        model: towers, projectors and language half.
        head: the temporal head.
        context_chunks: chunks of context that the text was trained with.
        folder: target; created if absent.
    """
    folder.mkdir(parents=True, exist_ok=True)
    half = model.to(torch.float16)
    half.save_pretrained(folder)
    TemporalHead(replace(head.config, context_chunks=context_chunks), head.weights).save(folder / "head")
    (folder / "abilities.json").write_text(json.dumps(ABILITIES, indent=1) + "\n", encoding="utf-8")
    return sum(f.stat().st_size for f in folder.rglob("*.safetensors"))


_SHOWN = (
    "temporal_f_score",
    "precision",
    "recall",
    "mean_delay_s",
    "p90_delay_s",
    "false_alarms_per_min",
    "quiet_alarms_per_min",
    "mistake_accuracy",
    "action_accuracy",
    "rouge_l",
    "meteor",
)


def write_card(folder: Path, card: Card, scores: Mapping[str, object]) -> Path:
    """Writes `README.md` beside the weights from measured scores (`Report.to_dict()`)."""
    weights = sum(f.stat().st_size for f in folder.glob("*.safetensors"))
    head = sum(f.stat().st_size for f in (folder / "head").glob("*.safetensors"))
    rows = [f"| {name} | {scores[name]:.3f} |" for name in _SHOWN if isinstance(scores.get(name), float)]
    costs = scores.get("costs")
    if isinstance(costs, dict):
        rows += [f"| {name} | {value:.1f} |" for name, value in costs.items()]
    baselines = scores["baselines"]
    assert isinstance(baselines, dict)
    plan = card.plan
    text = _CARD.format(
        parameters=weights / 2e6,  # float16
        megabytes=weights / 1e6,
        head_kilobytes=head / 1e3,
        frames=plan.image.steps * plan.image.batch,
        chunks=plan.video.steps * plan.video.batch,
        head_sessions=plan.head.sessions,
        head_steps=plan.head.steps,
        head_batch=plan.head.batch,
        text_sessions=plan.text.sessions,
        text_steps=plan.text.steps,
        text_batch=plan.text.batch,
        session_s=plan.session_s,
        seed=plan.seed,
        command=card.command,
        hardware=card.hardware,
        wall=card.wall,
        date=card.date,
        notes=card.notes,
        sessions=scores["sessions"],
        first_seed=card.first_seed,
        minutes=scores["minutes"],
        evaluation=card.evaluation,
        scores="\n".join(rows),
        baselines="\n".join(f"| {k} | {v['temporal_f_score']:.3f} |" for k, v in baselines.items()),
        limits=card.limits,
    )
    path = folder / "README.md"
    path.write_text(text, encoding="utf-8")
    (folder / "scores.json").write_text(json.dumps(dict(scores), indent=1) + "\n", encoding="utf-8")
    return path
