"""Small models that say varied things: random weights are wider than a model's usual start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from mobile_videogpt.config import MobileVideoGPTConfig
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.reply import ReplyDelta
from mobile_videogpt.tokenizer import tiny_tokenizer
from mobile_videogpt.tokens import Tokens

WIDTH, IMAGE_TOKENS, VIDEO_TOKENS = 128, 16, 32


def speaking_model(seed: int = 3, depth: int = 3, vocab_size: int = 384) -> MobileVideoGPT:
    """The language half of the tiny model with a tokenizer and weights that make it talkative."""
    tiny = MobileVideoGPTConfig.tiny()
    language = replace(tiny.language, vocab_size=vocab_size, depth=depth)
    torch.manual_seed(seed)
    model = MobileVideoGPT(replace(tiny, language=language), "language").eval()
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=1.0 if "embed" in name else 0.15)
    model.tokenizer = tiny_tokenizer()
    return model


@pytest.fixture(scope="session")
def talker() -> MobileVideoGPT:
    """One such model for tests that change nothing in it."""
    return speaking_model()


def chunk(seed: int, frames: int = 8) -> Tokens:
    random = torch.Generator().manual_seed(seed)
    context = torch.randn(1, frames, IMAGE_TOKENS, WIDTH, generator=random)
    video = torch.randn(1, VIDEO_TOKENS, WIDTH, generator=random)
    return Tokens(context, video, torch.zeros(1, 1))


def text_of(deltas: Sequence[ReplyDelta]) -> str:
    return "".join(delta.text for delta in deltas)
