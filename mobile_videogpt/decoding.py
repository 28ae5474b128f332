"""Chooses ids from logits, and turns ids into text: sampling, UTF-8, stop strings.

Knows nothing of the model, of caches or of prompts.
"""

from __future__ import annotations

import codecs
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mobile_videogpt.errors import ReplyError

if TYPE_CHECKING:
    from mobile_videogpt.tokenizer import ChatTokenizer


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """How the next token is chosen.

    Args:
        temperature: 0 takes the most likely token (greedy); otherwise logits are divided by it.
        top_p: keep the smallest set of tokens whose probability reaches this (Holtzman et al. 2020).
        repetition_penalty: divides positive and multiplies negative logits of tokens already generated
            (Keskar et al. 2019); the prompt's tokens do not count.
        seed: makes sampling repeatable; None draws a random one.

    Raises:
        ReplyError: for a value outside its range.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ReplyError(f"temperature is {self.temperature}; it must be 0 (greedy) or a positive number")
        if not 0 < self.top_p <= 1:
            raise ReplyError(f"top_p is {self.top_p}; it must be above 0 and at most 1")
        if not (math.isfinite(self.repetition_penalty) and self.repetition_penalty > 0):
            raise ReplyError(f"repetition_penalty is {self.repetition_penalty}; it must be positive (1 = off)")


@dataclass(frozen=True, slots=True)
class ReplySettings:
    """When a reply ends and how its tokens are chosen.

    Raises:
        ReplyError: if `max_new_tokens` is below 1.
    """

    max_new_tokens: int = 128
    sampling: SamplingSettings = field(default_factory=SamplingSettings)
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise ReplyError(f"max_new_tokens is {self.max_new_tokens}; ask for at least 1")


class TokenSampler:
    """Chooses the tokens of one request, one by one; holds its own random state and history."""

    def __init__(self, settings: SamplingSettings) -> None:
        self._settings = settings
        self._seen: set[int] = set()
        self._random = torch.Generator()
        if settings.seed is None:
            self._random.seed()
        else:
            self._random.manual_seed(settings.seed)

    def pick(self, logits: Tensor) -> int:
        """The next token's id from `logits` [V], any float dtype and device."""
        settings = self._settings
        if self._seen and settings.repetition_penalty != 1.0:
            logits = _penalised(logits, sorted(self._seen), settings.repetition_penalty)
        token = int(logits.argmax()) if settings.temperature == 0 else self._draw(logits)
        self._seen.add(token)
        return token

    def _draw(self, logits: Tensor) -> int:
        # On the CPU in float32, where this request's generator draws.
        scaled = logits.detach().to("cpu", torch.float32) / self._settings.temperature
        probabilities = torch.softmax(scaled, dim=-1)
        if self._settings.top_p < 1.0:
            ordered, order = probabilities.sort(descending=True)
            before = ordered.cumsum(0) - ordered  # mass of the more likely tokens; the first is always kept
            kept = before < self._settings.top_p
            probabilities, ids = ordered[kept], order[kept]
            return int(ids[torch.multinomial(probabilities, 1, generator=self._random)])
        return int(torch.multinomial(probabilities, 1, generator=self._random))


def _penalised(logits: Tensor, seen: list[int], penalty: float) -> Tensor:
    logits = logits.clone()
    index = torch.tensor(seen, device=logits.device)
    values = logits[index]
    logits[index] = torch.where(values > 0, values / penalty, values * penalty)
    return logits


class TextStream:
    """Text of a reply in pieces that never hold half a character or part of a stop string.

    Args:
        tokenizer: turns ids into bytes.
        stop: strings that end the reply; the text ends before the first of them.

    Raises:
        ReplyError: if a stop string is empty.
    """

    def __init__(self, tokenizer: ChatTokenizer, stop: Sequence[str] = ()) -> None:
        if isinstance(stop, str):
            stop = (stop,)
        if any(not s for s in stop):
            raise ReplyError("a stop string is empty; it would end every reply at once. Leave it out.")
        self._tokenizer = tokenizer
        self._stop = tuple(stop)
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""
        self.stopped = False

    def push(self, token_id: int) -> str:
        """Takes one id and returns the text that can no longer change; empty once `stopped`."""
        return self._release(self._utf8.decode(self._tokenizer.token_bytes(token_id)))

    def finish(self) -> str:
        """Returns the held text; an unfinished character becomes U+FFFD, as when all is decoded at once."""
        text = self._release(self._utf8.decode(b"", final=True))
        if not self.stopped:
            text, self._held = text + self._held, ""
        return text

    def _release(self, text: str) -> str:
        if self.stopped:
            return ""
        text = self._held + text
        found = [at for at in (text.find(s) for s in self._stop) if at >= 0]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)]
        # The end of the text may be the beginning of a stop string: hold it until the next token decides.
        keep = max((_overlap(text, s) for s in self._stop), default=0)
        cut = len(text) - keep
        self._held = text[cut:]
        return text[:cut]


def _overlap(text: str, stop: str) -> int:
    """Length of the longest suffix of `text` that is a proper prefix of `stop`."""
    for length in range(min(len(stop) - 1, len(text)), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0
