"""One reply during generation: its tokens so far, the text that may be shown, and why it ends.

Knows logits and text, and nothing of the model, of caches or of threads. The clock is injected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from mobile_videogpt.decoding import TextStream, TokenSampler

StopReason = Literal["stop_token", "stop_string", "length", "cancelled"]


class Cancel(Protocol):
    """A cancellation flag, checked before every token; `threading.Event` is one."""

    def is_set(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class GenerationStats:
    """Counts and times of a reply.

    Attributes:
        stop_reason: `stop_token`, `stop_string`, `length` (max_new_tokens reached) or `cancelled`.
        prompt_tokens: tokens of the prompt, visual ones included.
        reused_prompt_tokens: of those, tokens whose states came from an earlier request.
        new_tokens: generated tokens without the stop token.
        ttft_s: seconds from the call to the first token; None without tokens.
        total_s: seconds from the call to the end.
    """

    stop_reason: StopReason
    prompt_tokens: int
    reused_prompt_tokens: int
    new_tokens: int
    ttft_s: float | None
    total_s: float


@dataclass(frozen=True, slots=True)
class ReplyDelta:
    """A piece of a reply; only the last one has `stats`."""

    text: str
    token_ids: tuple[int, ...]
    stats: GenerationStats | None = None

    @property
    def n_tokens(self) -> int:
        """Tokens in this piece."""
        return len(self.token_ids)


class Reply:
    """Turns logits into deltas for one request.

    Args:
        max_new_tokens: the reply ends after this many tokens.
        stop_ids: ids that end the reply.
        sampler: chooses the tokens; it keeps this reply's history.
        text: turns ids into text; None gives ids only (models without a tokenizer).
        clock: seconds; `time.perf_counter` outside tests.
        cancel: checked before every token.
    """

    def __init__(
        self,
        max_new_tokens: int,
        stop_ids: frozenset[int],
        sampler: TokenSampler,
        text: TextStream | None,
        clock: Callable[[], float],
        cancel: Cancel | None = None,
    ) -> None:
        self._max_new_tokens = max_new_tokens
        self._stop_ids = stop_ids
        self._sampler = sampler
        self._text = text
        self._clock = clock
        self._cancel = cancel
        self._started_s = clock()
        self._first_s: float | None = None
        self._pending: list[int] = []  # ids whose text is still held back
        self._count = 0
        self._prompt_tokens = self._reused_tokens = 0
        self.last_id: int | None = None

    def set_prompt_size(self, prompt_tokens: int, reused_tokens: int) -> None:
        """Sets the size of the prompt for the stats."""
        self._prompt_tokens, self._reused_tokens = prompt_tokens, reused_tokens

    def cancelled(self) -> ReplyDelta | None:
        """The last delta if the caller has cancelled, else None."""
        if self._cancel is not None and self._cancel.is_set():
            return self._end("cancelled", "")
        return None

    def next_delta(self, logits: Tensor) -> ReplyDelta:
        """Chooses a token from `logits` [V] and returns its delta, which may be empty; with `stats` it is the last."""
        token = self._sampler.pick(logits)
        if self._first_s is None:
            self._first_s = self._clock()
        if token in self._stop_ids:
            return self._end("stop_token", self._flush())
        self.last_id = token
        self._pending.append(token)
        self._count += 1
        text = self._text.push(token) if self._text is not None else ""
        if self._text is not None and self._text.stopped:
            return self._end("stop_string", text)
        if self._count == self._max_new_tokens:
            return self._end("length", text + self._flush())
        if self._text is not None and not text:
            return ReplyDelta("", ())  # half a character, or the beginning of a stop string
        return ReplyDelta(text, self._take_pending())

    def _flush(self) -> str:
        return self._text.finish() if self._text is not None else ""

    def _take_pending(self) -> tuple[int, ...]:
        ids, self._pending = tuple(self._pending), []
        return ids

    def _end(self, reason: StopReason, text: str) -> ReplyDelta:
        stats = GenerationStats(
            stop_reason=reason,
            prompt_tokens=self._prompt_tokens,
            reused_prompt_tokens=self._reused_tokens,
            new_tokens=self._count,
            ttft_s=None if self._first_s is None else self._first_s - self._started_s,
            total_s=self._clock() - self._started_s,
        )
        return ReplyDelta(text, self._take_pending(), stats)


def join_deltas(deltas: Sequence[ReplyDelta]) -> ReplyDelta:
    """Joins all deltas of one reply."""
    ids = tuple(i for delta in deltas for i in delta.token_ids)
    return ReplyDelta("".join(delta.text for delta in deltas), ids, deltas[-1].stats)
