"""How big the trained coach is, and how long each stage runs; presets by name, or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

from mobile_videogpt.config import (
    ClipVisionConfig,
    LanguageConfig,
    MobileVideoGPTConfig,
    ProjectorConfig,
    VideoMambaConfig,
)


def coach_config(vocab_size: int = 1024) -> MobileVideoGPTConfig:
    """The bundled coach: 112 px, about three million parameters."""
    return MobileVideoGPTConfig(
        video=VideoMambaConfig(
            image_size=112, patch_size=16, depth=3, width=128, d_state=8, dt_rank=8, clip_decoder_width=0
        ),
        image=ClipVisionConfig(
            image_size=112, patch_size=16, depth=4, width=128, heads=4, mlp_width=512, select_layer=-1
        ),
        projector=ProjectorConfig(image_pool=3, video_pool=4),
        language=LanguageConfig(
            vocab_size=vocab_size, width=192, depth=3, heads=4, kv_heads=2, mlp_width=512, max_positions=4096
        ),
        system_prompt="You are a fitness coach.",
    )


@dataclass(frozen=True, slots=True)
class VisionPlan:
    """Stage 1. A step sees `batch` chunks with both towers, and `stills` single frames with the image tower.

    Of each chunk only `image_frames` go through the image tower: its other frames would teach it little new. From step
    `mimic_from` on the video tower, which learns more slowly, also follows the image tower's tokens.
    """

    steps: int = 3000
    batch: int = 8
    stills: int = 104
    learning_rate: float = 1.0e-3
    warmup: int = 150
    weight_decay: float = 0.03
    image_frames: int = 2
    mimic_from: int = 300
    held: int = 32
    pool: int = 96
    checkpoint_s: float = 180.0
    bf16: bool = True


@dataclass(frozen=True, slots=True)
class TextPlan:
    """Stage 2. `chunks` is how many the words are about; every `stream_every` steps come `stream_batch` streams."""

    sessions: int = 80
    validation_sessions: int = 15
    steps: int = 900
    batch: int = 16
    learning_rate: float = 1.5e-3
    warmup: int = 100
    weight_decay: float = 0.03
    chunks: int = 3
    stream_every: int = 4
    stream_batch: int = 3
    bf16: bool = True
    checkpoint_s: float = 180.0


@dataclass(frozen=True, slots=True)
class HeadPlan:
    """Stage 3, on the sessions of stage 2 and `more` of the image tower alone; it learns from cuts of `window_s`.

    With `video` false the head reads the image tower's features only; true needs a well-trained video tower.
    """

    more: int = 200
    more_held: int = 25
    video: bool = False
    session_s: float = 30.0
    steps: int = 1500
    batch: int = 16
    learning_rate: float = 2e-3
    hidden: int = 64
    reduced: int = 192
    dropout: float = 0.25
    window_s: float = 12.0


@dataclass(frozen=True, slots=True)
class Plan:
    """All of a training run."""

    seed: int = 1
    vision: VisionPlan = field(default_factory=VisionPlan)
    text: TextPlan = field(default_factory=TextPlan)
    head: HeadPlan = field(default_factory=HeadPlan)

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return asdict(self)


PRESETS: dict[str, Plan] = {
    "coach": Plan(),
    "smoke": Plan(
        vision=VisionPlan(steps=90, batch=8, stills=64, warmup=20, pool=24),
        text=TextPlan(sessions=16, validation_sessions=6, steps=60, batch=12, warmup=10),
        head=HeadPlan(more=20, more_held=6, session_s=30.0, steps=250),
    ),
}


def load_plan(name: str) -> Plan:
    """A preset by name, or a JSON file whose values replace those of the preset "coach".

    Raises:
        ValueError: for an unknown preset, an unreadable file, or an unknown name in it.
    """
    if name in PRESETS:
        return PRESETS[name]
    path = Path(name)
    if not path.is_file():
        raise ValueError(f"config {name!r} is neither a preset ({', '.join(PRESETS)}) nor a file")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"config {name}: not JSON ({error})") from error
    return plan_from_dict(values)


def plan_from_dict(values: Mapping[str, object]) -> Plan:
    """The preset "coach" with some values replaced.

    Raises:
        ValueError: for an unknown name, by its full name.
    """
    plan = Plan()
    parts: dict[str, object] = {}
    for name, value in values.items():
        if name == "seed" and isinstance(value, int):
            parts["seed"] = value
        elif name in ("vision", "text", "head") and isinstance(value, Mapping):
            part = getattr(plan, name)
            known = {f.name for f in fields(part)}
            if unknown := sorted(set(value) - known):
                raise ValueError(f"config {name}.{unknown[0]} is unknown; known are {', '.join(sorted(known))}")
            parts[name] = replace(part, **value)
        else:
            raise ValueError(f"config {name} has value {value!r}; known are seed, vision, text, head")
    return replace(plan, **parts)  # type: ignore[arg-type]
