"""Where the time of one poll goes inside a Mobile-VideoGPT: size, place and time of each part. Needs torch."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch

from mobile_videogpt.timing import measuring

if TYPE_CHECKING:
    from mobile_videogpt import MobileVideoGPT
    from mobile_videogpt.tokens import Tokens

PROMPT: Final = "Analyze this exercise."
SIDE: Final = 224


@dataclass(frozen=True, slots=True)
class PartProfile:
    """One part of the model.

    Attributes:
        parameters: 0 for a part without weights.
        devices: where its weights are, and how many there; `dtypes` as well.
        mean_ms: over the measured runs.
    """

    part: str
    parameters: int
    devices: dict[str, int]
    dtypes: dict[str, int]
    mean_ms: float
    min_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class _Row:
    context: torch.Tensor  # [T, P, D]
    video: torch.Tensor  # [V, D]


def profile_model(model: MobileVideoGPT, runs: int, max_new_tokens: int = 16) -> list[PartProfile]:
    """Runs black clips through the whole model, the first one unmeasured, and times each part.

    `first_token` is the language half reading its prompt of visual tokens; `next_token` is one more token.
    """
    taken: list[dict[str, float]] = []
    for number in range(runs + 1):
        seconds = _one_poll(model, max_new_tokens)
        if number:  # the first run loads kernels
            taken.append(seconds)
    vision, language = model.require_vision(), model.require_language()
    modules = {
        "pixels": (),
        "image_tower": (vision.image_vision_tower,),
        "video_tower": (vision.vision_tower,),
        "projectors": (vision.mm_projector, vision.image_mm_projector),
        "first_token": (language,),
        "next_token": (language,),
    }
    return [_profile(part, found, [one.get(part, 0.0) for one in taken]) for part, found in modules.items()]


def _one_poll(model: MobileVideoGPT, max_new_tokens: int) -> dict[str, float]:
    frames = torch.zeros((1, model.config.clip_frames, SIDE, SIDE, 3), dtype=torch.uint8)
    with measuring() as times:
        tokens: Tokens = model.encode_clip(frames)
    seconds = dict(times.seconds())
    began_s = time.perf_counter()
    row = _Row(tokens.context[0], tokens.video[0])
    deltas = model.generate([row], PROMPT, max_new_tokens=max_new_tokens)
    arrivals = [(time.perf_counter() - began_s, delta.n_tokens) for delta in deltas if delta.n_tokens]
    if arrivals:
        seconds["first_token"] = arrivals[0][0]
    later = sum(n_tokens for _, n_tokens in arrivals[1:])
    if later:
        seconds["next_token"] = (arrivals[-1][0] - arrivals[0][0]) / later
    model.clear_prefixes()
    return seconds


def _profile(part: str, modules: Iterable[Any], seconds: list[float]) -> PartProfile:
    devices: Counter[str] = Counter()
    dtypes: Counter[str] = Counter()
    for module in modules:
        for parameter in module.parameters():
            devices[str(parameter.device)] += parameter.numel()
            dtypes[str(parameter.dtype).removeprefix("torch.")] += parameter.numel()
    spent = [value * 1000 for value in seconds]
    return PartProfile(
        part,
        sum(devices.values()),
        dict(devices),
        dict(dtypes),
        round(statistics.fmean(spent), 3),
        round(min(spent), 3),
        round(max(spent), 3),
    )
