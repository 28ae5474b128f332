"""A trained coach as a folder that the product loads: model, tokenizer, head, and a card that says what it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from mobile_videogpt.head import TemporalHead
from mobile_videogpt.modeling import MobileVideoGPT

_CARD = """# The bundled coach

A small Mobile-VideoGPT ({parameters:.2f} million parameters, {megabytes:.1f} MB): the same classes as the published
0.5B (bidirectional VideoMamba, CLIP vision transformer, ETP projectors, Qwen2 with action tokens), small sizes and its
own tokenizer, and a temporal head ({head_kilobytes:.0f} KB) that decides when to speak.

**It knows the gym only.** It was trained on nothing but the synthetic video of `training/gym`: five exercises of a
drawn figure. It has never seen a real person, and its words about one mean nothing. For real people load the published
Mobile-VideoGPT checkpoint.

## Training

| | |
|---|---|
| data for the towers | fresh renders of `training.gym`, split `train`: {chunks} chunks of 8 frames, {stills} stills |
| data for words and head | {text_sessions} sessions of {session_s:g} s, same split |
| seed | {seed} |
| command | `{command}` |
| hardware | {hardware} |
| wall time | {wall} |
| date | {date} |

{notes}

## Scores

Split `test` of the gym (bodies, cameras, places and wordings that training never drew), {sessions} sessions from seed
{first_seed} on, {minutes:.0f} minutes, in one process (`{evaluation}`):

| measure | value |
|---|---|
{scores}

| baseline on the same sessions | temporal F-score |
|---|---|
{baselines}

## Limits

{limits}
"""


@dataclass(frozen=True, slots=True)
class Card:
    """What a model card says besides the scores."""

    chunks: int
    stills: int
    text_sessions: int
    session_s: float
    seed: int
    command: str
    hardware: str
    wall: str
    date: str
    evaluation: str
    first_seed: int
    notes: str
    limits: str


def export_coach(model: MobileVideoGPT, head: TemporalHead, folder: Path) -> int:
    """Write the coach in half precision; returns the size of its weights in bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    half = model.to(torch.float16)
    half.save_pretrained(folder)
    head.save(folder / "head")
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
    "encode_ms_per_chunk",
    "head_ms_per_chunk",
    "first_token_ms_p50",
)


def write_card(folder: Path, card: Card, scores: Mapping[str, object]) -> Path:
    """Write `README.md` beside the weights from measured scores (`Report.to_dict()`)."""
    weights = sum(f.stat().st_size for f in folder.glob("*.safetensors"))
    head = sum(f.stat().st_size for f in (folder / "head").glob("*.safetensors"))
    rows = [f"| {name} | {scores[name]:.3f} |" for name in _SHOWN if isinstance(scores.get(name), float)]
    baselines = scores["baselines"]
    assert isinstance(baselines, dict)
    text = _CARD.format(
        parameters=weights / 2e6,
        megabytes=weights / 1e6,
        head_kilobytes=head / 1e3,
        chunks=card.chunks,
        stills=card.stills,
        text_sessions=card.text_sessions,
        session_s=card.session_s,
        seed=card.seed,
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
