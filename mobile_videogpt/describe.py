"""Describes a checkpoint from its config and headers; loads no weights.

Knows files, names and configs, and prints nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from mobile_videogpt import names
from mobile_videogpt.checkpoint import checkpoint_weights, find_tokenizer, read_trainables, wanted_shapes
from mobile_videogpt.errors import CheckpointError
from mobile_videogpt.hub import resolve
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.names import HEAD, IMAGE_TOWER, VIDEO_TOWER, Shape
from mobile_videogpt.published_config import CONFIG_FILE, parse, read_raw

if TYPE_CHECKING:
    from mobile_videogpt.config import MobileVideoGPTConfig


@dataclass(frozen=True, slots=True)
class Description:
    """A checkpoint as pairs of a label and a line, and the problem that keeps it from loading."""

    lines: tuple[tuple[str, str], ...]
    problem: str | None

    def __str__(self) -> str:
        width = max(len(label) for label, _ in self.lines)
        rows = [f"{label:<{width}}  {text}" for label, text in self.lines]
        rows.append(f"{'fit':<{width}}  {self.problem or 'complete: every name and shape is as the model wants it'}")
        return "\n".join(rows)


def describe(path_or_name: str | Path) -> Description:
    """Describes a folder (or hub name) in the published layout.

    Raises:
        CheckpointError: if the folder does not exist or a file in it is damaged.
    """
    folder = resolve(path_or_name)
    config = parse(read_raw(folder), f"{folder / CONFIG_FILE}")
    files = checkpoint_weights(folder)
    # On the meta device the model has names and shapes but no memory.
    with torch.device("meta"):
        model = MobileVideoGPT(config)
    wanted = wanted_shapes(model)
    shapes = dict(files.shapes)
    if config.language.tie_embeddings:
        shapes.pop(HEAD, None)
    lines = [("checkpoint", str(folder)), ("weights", _weights(folder, files.shapes)), *_sizes(config, shapes)]
    if extra := read_trainables(folder, "all"):
        lines.append(("trainables", f"{len(extra.shapes)} names in non_lora_trainables.bin replace the weights'"))
        shapes |= extra.shapes
    lines += [("tokenizer", _tokenizer(folder, config)), ("system", repr(config.system_prompt))]
    return Description(tuple(lines), _problem(wanted, shapes, folder))


def _weights(folder: Path, shapes: Mapping[str, Shape]) -> str:
    files = sorted(f for f in folder.iterdir() if f.name.startswith(("model", "pytorch_model")) and _is_weights(f))
    size = sum(f.stat().st_size for f in files)
    return f"{len(shapes)} names, {size / 1e6:,.1f} MB in {len(files)} file{'s' if len(files) != 1 else ''}"


def _is_weights(file: Path) -> bool:
    return file.suffix in (".safetensors", ".bin")


def _sizes(config: MobileVideoGPTConfig, shapes: Mapping[str, Shape]) -> list[tuple[str, str]]:
    video, image, language = config.video, config.image, config.language
    return [
        (
            "video tower",
            f"VideoMamba, {video.depth} layers of {video.width}, {video.num_frames} frames of "
            f"{video.image_size} px, {_count(shapes, VIDEO_TOWER)}",
        ),
        (
            "image tower",
            f"CLIP, {image.depth} layers of {image.width}, {image.image_size} px, {_count(shapes, IMAGE_TOWER)}",
        ),
        (
            "language",
            f"Qwen2, {language.depth} layers of {language.width}, {language.vocab_size} rows, "
            f"{'tied' if language.tie_embeddings else 'own'} head, {_count(shapes, *_LANGUAGE)}",
        ),
        (
            "tokens",
            f"{config.chunk_tokens} for a chunk of {config.chunk_frames} frames, "
            f"{config.clip_tokens} for a clip of {config.clip_frames}",
        ),
    ]


_LANGUAGE = ("model.embed_tokens.", "model.layers.", "model.norm.", "lm_head.")


def _count(shapes: Mapping[str, Shape], *prefixes: str) -> str:
    total = sum(math.prod(shape) for name, shape in shapes.items() if name.startswith(prefixes))
    return f"{total / 1e6:,.1f} M parameters in the file" if total else "not in the file"


def _tokenizer(folder: Path, config: MobileVideoGPTConfig) -> str:
    tokenizer = find_tokenizer(folder, "all")
    if tokenizer is None:
        return "none: the language half will read no text"
    actions = ", ".join(f"{token} = {i}" for token, i in tokenizer.action_ids.items()) or "no action tokens"
    free = config.language.vocab_size - len(tokenizer)
    rows = f"{free} free rows" if free >= 0 else f"{-free} rows will be appended"
    return f"{len(tokenizer)} tokens, {rows}, {actions}"


def _problem(wanted: Mapping[str, Shape], found: Mapping[str, Shape], folder: Path) -> str | None:
    """The error of strict loading, or None; a tower that is wholly absent may come from its own file."""
    absent = [t for t in (VIDEO_TOWER, IMAGE_TOWER) if not any(name.startswith(t) for name in found)]
    inside = {n: s for n, s in wanted.items() if not n.startswith(tuple(absent))} if absent else wanted
    try:
        names.check_fit(inside, found, str(folder), "")
    except CheckpointError as error:
        return str(error).strip()
    options = {VIDEO_TOWER: "video_tower", IMAGE_TOWER: "image_tower"}
    if absent:
        return f"complete but for towers: pass {' and '.join(options[t] + '=' for t in absent)} to load them"
    return None
