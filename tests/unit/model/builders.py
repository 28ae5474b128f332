"""Small models, chunks, frames and videos for the model's tests, and readers of replies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch

from mobile_videogpt.config import MobileVideoGPTConfig
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.reply import GenerationStats, ReplyDelta
from mobile_videogpt.tokenizer import tiny_tokenizer
from mobile_videogpt.tokens import Tokens

WIDTH, IMAGE_TOKENS, VIDEO_TOKENS = 128, 16, 32
PROMPTS = ("How is my squat?", "下半身をもっと下げて 🏋️‍♀️", "naïve café — ça va?", "")


def random_text_model(seed: int = 3, depth: int = 3, vocab_size: int = 384) -> MobileVideoGPT:
    """The language half of the tiny model with a tokenizer and random weights that give varied text."""
    tiny = MobileVideoGPTConfig.tiny()
    language = replace(tiny.language, vocab_size=vocab_size, depth=depth)
    torch.manual_seed(seed)
    model = MobileVideoGPT(replace(tiny, language=language), "language").eval()
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=1.0 if "embed" in name else 0.15)
    model.tokenizer = tiny_tokenizer()
    return model


def language_model(rows: int, tied: bool = True) -> MobileVideoGPT:
    tiny = MobileVideoGPTConfig.tiny()
    torch.manual_seed(0)
    language = replace(tiny.language, vocab_size=rows, tie_embeddings=tied)
    return MobileVideoGPT(replace(tiny, language=language), "language").eval()


def chunk(seed: int, frames: int = 8) -> Tokens:
    random = torch.Generator().manual_seed(seed)
    context = torch.randn(1, frames, IMAGE_TOKENS, WIDTH, generator=random)
    video = torch.randn(1, VIDEO_TOKENS, WIDTH, generator=random)
    return Tokens(context, video, torch.zeros(1, 1))


def random_frames(batch: int, count: int, *, height: int = 60, width: int = 100, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (batch, count, height, width, 3), generator=rng, dtype=torch.uint8)


def random_images(count: int, height: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def write_video(path: Path, frames: int) -> Path:
    """A video whose n-th frame is a plain grey of n * 8."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(10))
        stream.width, stream.height = 64, 48
        for n in range(frames):
            picture = np.full((48, 64, 3), n * 8, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def text_of(deltas: Sequence[ReplyDelta]) -> str:
    return "".join(delta.text for delta in deltas)


def stats_of(deltas: Sequence[ReplyDelta]) -> GenerationStats:
    stats = deltas[-1].stats
    assert stats is not None
    assert all(delta.stats is None for delta in deltas[:-1])
    return stats
