"""Names of weights: this package's and the published spelling, older and newer files, ignored names, misfits.

Pure strings and shapes; opens no file and builds no model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from mobile_videogpt.errors import CheckpointError, listed

Half = Literal["vision", "language"]
Part = Literal["vision", "language", "all"]
Shape = tuple[int, ...]

VIDEO_TOWER = "model.vision_tower."
IMAGE_TOWER = "model.image_vision_tower."
HEAD = "lm_head.weight"
EMBEDDING = "model.embed_tokens.weight"

# A published name begins with one of these when it belongs to the vision half.
VISION_PREFIXES = ("vision_tower.", "image_vision_tower.", "mm_projector.", "image_mm_projector.")

_CLIP = IMAGE_TOWER + "vision_tower."
_LANGUAGE_PREFIXES = ("model.embed_tokens.", "model.layers.", "model.norm.", "lm_head.")

# Tables that older versions of transformers wrote and newer ones compute, and a norm of VideoMamba's
# pre-training that no published path reads.
_IGNORED = re.compile(
    r"\.embeddings\.position_ids$|\.rotary_emb\.inv_freq$"
    r"|^model\.vision_tower\.vision_encoder\.pool_norm\.(weight|bias)$"
)

# Other parts of a VideoMamba .pth: the text tower, projections to the shared space and heads of pre-training.
_PTH_IGNORED = ("text_encoder.", "vision_proj.", "text_proj.", "itm_head.", "vision_encoder.pool_norm.")
_PTH_IGNORED_EXACT = ("temp",)

# Other parts of a whole CLIP.
_CLIP_IGNORED = ("text_model.", "visual_projection.", "text_projection.")
_CLIP_IGNORED_EXACT = ("logit_scale",)


def published_name(name: str) -> str:
    """Name in this module -> name in a published checkpoint.

    `vision.X` is `model.X` there, and `language.X` is `X` (`model.layers...`, `lm_head.weight`).
    """
    half, _, rest = name.partition(".")
    if half == "vision":
        return "model." + rest
    if half == "language":
        return rest
    raise ValueError(f"{name!r} belongs to neither half; it must begin with 'vision.' or 'language.'")


def module_name(published: str) -> str:
    """Name in a published checkpoint -> name in this module; the inverse of `published_name`."""
    rest = published.removeprefix("model.")
    if rest != published and rest.startswith(VISION_PREFIXES):
        return "vision." + rest
    return "language." + published


def canonical(name: str) -> str | None:
    """A name in a checkpoint, in the published spelling; None if it is ignored.

    transformers 5 drops the `vision_model.` level of CLIP's names; it is put back.
    """
    if _IGNORED.search(name):
        return None
    rest = name.removeprefix(_CLIP)
    if rest != name and not rest.startswith("vision_model."):
        return f"{_CLIP}vision_model.{rest}"
    return name


def half_of(name: str) -> Half | None:
    """The half of the model that a published name belongs to; None for a name of neither."""
    if name.startswith(_LANGUAGE_PREFIXES):
        return "language"
    if name.removeprefix("model.").startswith(VISION_PREFIXES) and name.startswith("model."):
        return "vision"
    return None


def from_videomamba(name: str) -> str | None:
    """A name in a VideoMamba `.pth`, as in a checkpoint; None if it is ignored."""
    if name.startswith(_PTH_IGNORED) or name in _PTH_IGNORED_EXACT:
        return None
    return VIDEO_TOWER + name


def from_clip(name: str) -> str | None:
    """A name in a CLIP folder, of any version of transformers, as in a checkpoint; None if it is ignored."""
    if name.startswith(_CLIP_IGNORED) or name in _CLIP_IGNORED_EXACT:
        return None
    return canonical(_CLIP + name)


def from_trainables(names: Iterable[str]) -> dict[str, str]:
    """Names in a `non_lora_trainables.bin` -> as in a checkpoint: PEFT's wrapping levels are taken off."""
    # PEFT adds `base_model.` or `base_model.model.`; all names of a file have the same level.
    plain = {name: name.removeprefix("base_model.") for name in names}
    if any(name.startswith("model.model.") for name in plain.values()):
        plain = {name: inner.removeprefix("model.") for name, inner in plain.items()}
    return {name: canonical(inner) or inner for name, inner in plain.items()}


def check_fit(wanted: Mapping[str, Shape], found: Mapping[str, Shape], where: str, remedy: str) -> None:
    """Compares names and shapes.

    Raises:
        CheckpointError: listing missing, unexpected and mis-shaped names.
    """
    complaints = []
    if missing := set(wanted) - set(found):
        complaints.append(f"missing: {listed(missing)}")
    if unexpected := set(found) - set(wanted):
        complaints.append(f"unexpected: {listed(unexpected)}")
    odd = [
        f"{name} is {list(found[name])}, not {list(shape)}"
        for name, shape in wanted.items()
        if name in found and found[name] != shape
    ]
    if odd:
        complaints.append(f"of another shape: {listed(odd)}")
    if complaints:
        raise CheckpointError(f"{where} does not fit the model. {'; '.join(complaints)}. {remedy}")
