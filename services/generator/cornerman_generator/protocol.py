"""Generator protocol: a request and its chunks in, pieces of text out. Back ends implement it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from cornerman_shared.bus.chunk_input import ChunkInput
    from cornerman_shared.bus.messages import Request

Wants = Literal["nothing", "tokens", "frames"]


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of text, to be appended.

    Attributes:
        n_tokens: in this piece; a piece without text counts tokens that are not shown.
        n_input_tokens: length of the prompt; 0 while it is unknown.
        n_reply_tokens: of the whole reply, as its server counted them; 0 = `n_tokens` are counted.
        guessed: the server counted nothing: pieces of text were counted as tokens.
        voids: the text before this piece was not meant for people; this piece begins the reply again.
        prepare_s: how long the input of the model took to make, before the model was asked; 0 = unknown.
        handled: kind of an error that was handled before this piece, for the counter of errors; empty = none.
    """

    text: str
    n_tokens: int
    n_input_tokens: int = 0
    n_reply_tokens: int = 0
    guessed: bool = False
    voids: bool = False
    handled: str = ""
    prepare_s: float = field(default=0.0, compare=False)


class Generator(Protocol):
    """Answers requests; several may be answered at once."""

    wants: Wants  # the arrays of a chunk that it reads

    @property
    def model(self) -> str:
        """Its name in messages."""

    def generate(self, request: Request, chunks: Sequence[ChunkInput]) -> AsyncIterator[TextDelta]:
        """Text about the chunks, oldest first. Closing the iterator stops the model within one token.

        Raises:
            GenerationError: the back end failed; says why.
        """

    async def close(self) -> None:
        """Ends threads and connections."""
