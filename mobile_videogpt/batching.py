"""Continuous batching: one forward pass decodes one token for each open request.

Knows generation and the batch cache. Queues and callers are outside.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING

from mobile_videogpt.cache import BatchCache

if TYPE_CHECKING:
    from mobile_videogpt.generation import PromptRequest, TextGenerator
    from mobile_videogpt.reply import Reply, ReplyDelta


def generate_batch(generator: TextGenerator, requests: Sequence[PromptRequest]) -> Iterator[tuple[int, ReplyDelta]]:
    """Decodes many requests in one batch; yields (index of the request, delta)."""
    decoder = BatchDecoder(generator)
    for number, request in enumerate(requests):
        first = decoder.add(number, request)
        if first is not None:
            yield number, first
    while decoder.open_requests:
        for key, delta in decoder.step():
            yield int(str(key)), delta


class BatchDecoder:
    """Decodes a changing set of requests, one token for each a step; they join after prefill and leave at their end.

    Not thread-safe: one thread owns it and steps it.
    """

    def __init__(self, generator: TextGenerator) -> None:
        self._generator = generator
        self._cache = BatchCache(len(generator.engine.decoder.layers))
        self._rows: list[tuple[Hashable, Reply]] = []

    @property
    def open_requests(self) -> int:
        """Requests that have not ended."""
        return len(self._rows)

    def add(self, key: Hashable, request: PromptRequest) -> ReplyDelta | None:
        """Prefills a request's prompt and decodes its first token.

        Returns:
            Its first delta, which is the last if it has `stats`; None without text to show.

        Raises:
            ReplyError: as `TextGenerator.generate`.
        """
        engine = self._generator.engine
        reply = self._generator.new_reply(request)
        pieces = self._generator.checked_segments(request)
        if (ended := reply.cancelled()) is not None:
            return ended
        prefilled = engine.prefill(pieces)
        reply.set_prompt_size(prefilled.prompt_tokens, prefilled.reused_tokens)
        delta = reply.cancelled() or reply.next_delta(engine.logits(prefilled.hidden))
        if delta.stats is None:
            self._cache.join(prefilled.cache)
            self._rows.append((key, reply))
        return delta if delta.stats is not None or delta.token_ids else None

    def step(self) -> list[tuple[Hashable, ReplyDelta]]:
        """Decodes one token for every open request; returns the deltas with new tokens or with `stats`."""
        deltas: list[tuple[Hashable, ReplyDelta]] = []
        # Backwards, because `_leave` moves the last row into the freed one.
        for row in reversed(range(len(self._rows))):
            key, reply = self._rows[row]
            if (ended := reply.cancelled()) is not None:
                deltas.append((key, ended))
                self._leave(row)
        if not self._rows:
            return deltas
        engine = self._generator.engine
        # Every open row has a last id: a reply that ended at its first token never joined.
        last_ids = [reply.last_id for _, reply in self._rows if reply.last_id is not None]
        logits = engine.logits(engine.step(self._cache, last_ids))
        for row in reversed(range(len(self._rows))):
            key, reply = self._rows[row]
            delta = reply.next_delta(logits[row])
            if delta.stats is not None or delta.token_ids:
                deltas.append((key, delta))
            if delta.stats is not None:
                self._leave(row)
        return deltas

    def _leave(self, row: int) -> None:
        self._cache.leave(row)
        self._rows[row] = self._rows[-1]
        self._rows.pop()
