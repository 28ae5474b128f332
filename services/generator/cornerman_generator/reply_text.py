"""What a back end says, without its reasoning, cleaned and bounded, before anything else reads it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cornerman_generator.protocol import TextDelta
from cornerman_generator.reasoning import ReasoningFilter
from cornerman_shared.errors import GenerationError
from cornerman_shared.text import ELLIPSIS, clean_text

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from cornerman_generator.protocol import Generator, Wants
    from cornerman_shared.bus.chunk_input import ChunkInput
    from cornerman_shared.bus.messages import Request


class BoundedGenerator:
    """A back end whose replies are answers without reasoning: valid, printable and bounded.

    A model whose replies begin inside the reasoning gives itself away by a closing tag. Of the first such reply the
    text before the tag is voided; later replies are held back up to the tag.

    Args:
        inner: the back end.
        max_chars: the most characters of a reply.
    """

    def __init__(self, inner: Generator, max_chars: int) -> None:
        self._inner = inner
        self._max_chars = max_chars
        self._begins_inside = False
        self.wants: Wants = inner.wants

    @property
    def model(self) -> str:
        """The back end's name in messages."""
        return self._inner.model

    def generate(self, request: Request, chunks: Sequence[ChunkInput]) -> AsyncIterator[TextDelta]:
        """The back end's deltas, cleaned.

        Raises:
            GenerationError: of the back end; or the model reasoned until its tokens were used up.
        """
        return clean_deltas(self._answers(request, chunks), self._max_chars)

    async def close(self) -> None:
        """Closes the back end."""
        await self._inner.close()

    async def _answers(self, request: Request, chunks: Sequence[ChunkInput]) -> AsyncGenerator[TextDelta, None]:
        """The deltas without reasoning."""
        spoken = ReasoningFilter(self._begins_inside)
        deltas = self._inner.generate(request, chunks)
        n_tokens, said, delta = 0, False, None
        limit = request.sampling.max_new_tokens
        try:
            async for delta in deltas:
                n_tokens += delta.n_tokens
                text, voids = spoken.push(delta.text)
                said = bool(text.strip()) or (said and not voids)
                yield replace(delta, text=text, voids=voids)
            truncated = n_tokens >= limit
            if delta is not None and (rest := spoken.end(truncated)).text:
                said = said or bool(rest.text.strip())
                yield TextDelta(rest.text, 0, delta.n_input_tokens, voids=rest.voids)
        finally:
            self._begins_inside = self._begins_inside or spoken.began_inside
            await _close(deltas)
        if not said and n_tokens and (spoken.found or (self._begins_inside and truncated)):
            raise no_answer(n_tokens)


def no_answer(n_tokens: int) -> GenerationError:
    """The error for a model that used up its tokens before the answer began."""
    return GenerationError(
        f"the model reasoned for {n_tokens} tokens and gave no answer; raise say.max_new_tokens, "
        "or turn its reasoning off at the server"
    )


class TextCleaner:
    """Cleans text that arrives in pieces: joins a pair split over two pieces, and bounds the whole.

    Args:
        max_chars: the most characters that all pieces together may have.
    """

    def __init__(self, max_chars: int) -> None:
        self._left = max_chars
        self._half = ""

    @property
    def full(self) -> bool:
        """Whether the bound is reached: every later piece comes back empty."""
        return self._left <= 0

    def push(self, piece: str) -> str:
        """Returns what of the text so far can be shown now."""
        piece = self._half + piece
        # A high surrogate, or a CR whose LF may follow, waits for the next piece.
        self._half = piece[-1] if piece and (piece[-1] == "\r" or "\ud800" <= piece[-1] <= "\udbff") else ""
        return self._bounded(clean_text(piece[: len(piece) - len(self._half)]))

    def end(self) -> str:
        """Returns the rest: a half that never got its other half."""
        half, self._half = self._half, ""
        return self._bounded(clean_text(half))

    def _bounded(self, text: str) -> str:
        if len(text) > self._left:
            text = text[: max(0, self._left - 1)] + (ELLIPSIS if self._left > 0 else "")
        self._left -= len(text)
        return text


async def clean_deltas(deltas: AsyncIterator[TextDelta], max_chars: int) -> AsyncGenerator[TextDelta, None]:
    """The deltas with valid, printable text of at most `max_chars` characters in all.

    Halves of a surrogate pair that came in two deltas are joined. At the bound the text ends in an ellipsis, and the
    iterator of the back end is closed, which stops its model.
    """
    cleaner = TextCleaner(max_chars)
    try:
        delta = None
        async for delta in deltas:
            if delta.voids:
                cleaner = TextCleaner(max_chars)
            yield replace(delta, text=cleaner.push(delta.text))
            if cleaner.full:
                return
        if delta is not None and (rest := cleaner.end()):
            yield replace(delta, text=rest, n_tokens=0, voids=False, handled="")
    finally:
        await _close(deltas)


async def _close(deltas: AsyncIterator[TextDelta]) -> None:
    close = getattr(deltas, "aclose", None)  # the protocol asks for an iterator; generators can be closed
    if close is not None:
        await close()
