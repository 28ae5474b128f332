"""The owner's own sentence about a mistake that they have taught: said as it is, and marked as theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerman_generator.core import owner_words
from cornerman_generator.protocol import TextDelta

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from cornerman_generator.protocol import Generator, Wants
    from cornerman_shared.bus.chunk_input import ChunkInput
    from cornerman_shared.bus.messages import Request


class OwnerFirst:
    """A back end that gives way to the owner's sentence where there is one."""

    def __init__(self, inner: Generator) -> None:
        self._inner = inner
        self.wants: Wants = inner.wants

    @property
    def model(self) -> str:
        """The back end's name in messages."""
        return self._inner.model

    def generate(self, request: Request, chunks: Sequence[ChunkInput]) -> AsyncIterator[TextDelta]:
        """The owner's sentence, in which no token of a model is, or the back end's deltas.

        Raises:
            GenerationError: of the back end.
        """
        sentence = owner_words(request)
        return _spoken(sentence) if sentence else self._inner.generate(request, chunks)

    async def close(self) -> None:
        """Closes the back end."""
        await self._inner.close()


async def _spoken(text: str) -> AsyncIterator[TextDelta]:
    yield TextDelta(text, 0)
