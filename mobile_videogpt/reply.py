"""One reply while it is being written: what was chosen so far, why it ends, what may be shown.

It knows logits and text, and nothing of the model, of caches or of threads; the clock is handed in.
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
    """Asked before every token; `threading.Event` fits."""

    def is_set(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class GenerationStats:
    """What happened, as the model reports it.

    Args:
        stop_reason: `stop_token`, `stop_string`, `length` (max_new_tokens reached) or `cancelled`.
        prompt_tokens: tokens of the prompt, visual ones included.
        reused_prompt_tokens: of those, how many came from an earlier request's states.
        new_tokens: tokens written, the stop token not counted.
        ttft_s: from the call to the first token; None when there was none.
        total_s: from the call to the end.
    """

    stop_reason: StopReason
    prompt_tokens: int
    reused_prompt_tokens: int
    new_tokens: int
    ttft_s: float | None
    total_s: float


@dataclass(frozen=True, slots=True)
class ReplyDelta:
    """A piece of a reply. `stats` is there on the last one and only there."""

    text: str
    token_ids: tuple[int, ...]
    stats: GenerationStats | None = None

    @property
    def n_tokens(self) -> int:
        """Tokens that this piece added."""
        return len(self.token_ids)


class Reply:
    """Turns logits into deltas for one request.

    Args:
        max_new_tokens: the reply ends after this many tokens.
        stop_ids: ids that end the reply.
        sampler: chooses the tokens; it keeps this reply's history.
        text: turns ids into text; None gives ids only (models without a tokenizer).
        clock: seconds; `time.perf_counter` outside tests.
        cancel: asked before every token.
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
        self._pending: list[int] = []
        self._count = 0
        self._prompt_tokens = self._reused_tokens = 0
        self.last_id: int | None = None

    def set_prompt_size(self, prompt_tokens: int, reused_tokens: int) -> None:
        """Notes the size of the prompt for the stats."""
        self._prompt_tokens, self._reused_tokens = prompt_tokens, reused_tokens

    def cancelled(self) -> ReplyDelta | None:
        """The last delta when the caller has cancelled, else None."""
        if self._cancel is not None and self._cancel.is_set():
            return self._end("cancelled", "")
        return None

    def next_delta(self, logits: Tensor) -> ReplyDelta:
        """Chooses a token from `logits` [V]. The delta may be empty; with `stats` set it is the last."""
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
            return ReplyDelta("", ())
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
    """All deltas of one reply as one."""
    ids = tuple(i for delta in deltas for i in delta.token_ids)
    return ReplyDelta("".join(delta.text for delta in deltas), ids, deltas[-1].stats)
