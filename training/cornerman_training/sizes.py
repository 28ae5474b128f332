"""Sizes of the trained coach and lengths of the stages; presets by name, or JSON."""

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
            image_size=112, patch_size=16, depth=6, width=128, heads=4, mlp_width=512, select_layer=-1
        ),
        projector=ProjectorConfig(image_pool=2, video_pool=2),
        language=LanguageConfig(
            vocab_size=vocab_size, width=192, depth=3, heads=4, kv_heads=2, mlp_width=512, max_positions=4096
        ),
        system_prompt="You are a fitness coach.",
    )


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """Stage 1, the image tower. A step reads `batch` single frames; `pool` motions and backgrounds are in use at a
    time, of which `fresh` are replaced after each step. A score is over four batches of `held` validation frames."""

    steps: int = 5000
    batch: int = 128
    learning_rate: float = 1.5e-3
    warmup: int = 150
    weight_decay: float = 0.03
    held: int = 256
    pool: int = 160
    fresh: int = 2
    checkpoint_s: float = 180.0
    bf16: bool = True


@dataclass(frozen=True, slots=True)
class VideoPlan:
    """Stage 2, the video tower. A step reads `batch` chunks; the other fields are as in `ImagePlan`."""

    steps: int = 2200
    batch: int = 8
    learning_rate: float = 1.5e-3
    warmup: int = 100
    weight_decay: float = 0.03
    held: int = 32
    pool: int = 96
    fresh: int = 2
    checkpoint_s: float = 180.0
    bf16: bool = True


@dataclass(frozen=True, slots=True)
class HeadPlan:
    """Stage 3, the temporal head: trained on windows of `window_s` from `sessions` encoded by the image tower.

    With `video` false the head reads the image tower's features only; true uses the sessions of the text stage instead,
    which both towers encoded.
    """

    sessions: int = 900
    validation_sessions: int = 80
    video: bool = False
    steps: int = 1200
    batch: int = 16
    learning_rate: float = 2e-3
    hidden: int = 96
    reduced: int = 192
    dropout: float = 0.2
    window_s: float = 40.0


@dataclass(frozen=True, slots=True)
class TextPlan:
    """Stage 4, the text. A reply is about `chunks` chunks. Every `stream_every` steps, `stream_batch` whole sessions
    train the decisions of the strategy `llm`: it reads the image tokens of the newest `stream_frames` frames of each
    chunk, and its video tokens."""

    sessions: int = 500
    validation_sessions: int = 32
    steps: int = 2600
    batch: int = 20
    learning_rate: float = 1.5e-3
    warmup: int = 100
    weight_decay: float = 0.03
    chunks: int = 4
    stream_every: int = 4
    stream_batch: int = 4
    stream_frames: int = 4
    bf16: bool = True
    checkpoint_s: float = 180.0


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """A whole training run. Stages 3 and 4 use sessions of `session_s`."""

    seed: int = 1
    session_s: float = 30.0
    image: ImagePlan = field(default_factory=ImagePlan)
    video: VideoPlan = field(default_factory=VideoPlan)
    head: HeadPlan = field(default_factory=HeadPlan)
    text: TextPlan = field(default_factory=TextPlan)

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return asdict(self)


PRESETS: dict[str, TrainingPlan] = {
    "coach": TrainingPlan(),
    "smoke": TrainingPlan(
        session_s=25.0,
        image=ImagePlan(steps=520, batch=32, warmup=40, held=64, pool=64, fresh=1),
        video=VideoPlan(steps=10, batch=4, warmup=5, held=8, pool=16),
        head=HeadPlan(sessions=56, validation_sessions=12, steps=250, batch=8, window_s=25.0),
        text=TextPlan(sessions=8, validation_sessions=2, steps=30, batch=12, warmup=10),
    ),
}


def load_plan(name: str) -> TrainingPlan:
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


def plan_from_dict(values: Mapping[str, object]) -> TrainingPlan:
    """The preset "coach" with some values replaced.

    Raises:
        ValueError: for an unknown name, with its full name.
    """
    plan = TrainingPlan()
    parts: dict[str, object] = {}
    for name, value in values.items():
        if (name == "seed" and isinstance(value, int)) or (name == "session_s" and isinstance(value, int | float)):
            parts[name] = value
        elif name in ("image", "video", "head", "text") and isinstance(value, Mapping):
            part = getattr(plan, name)
            known = {f.name for f in fields(part)}
            if unknown := sorted(set(value) - known):
                raise ValueError(f"config {name}.{unknown[0]} is unknown; known are {', '.join(sorted(known))}")
            parts[name] = replace(part, **value)
        else:
            raise ValueError(f"config {name} has value {value!r}; known are seed, session_s, image, video, head, text")
    return replace(plan, **parts)  # type: ignore[arg-type]
