"""Echo back end: streams text made from the request, for running the pipeline without a model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from cornerman_generator.protocol import TextDelta

if TYPE_CHECKING:
    from cornerman_generator.protocol import Wants
    from cornerman_shared.bus.chunk_input import ChunkInput
    from cornerman_shared.bus.messages import Request


class EchoGenerator:
    """Replies with the action, the media time, the chunks and the prompt, word by word.

    Args:
        delay_s: delay before each word, seconds.
        hang_at: the request of this number, from 1, stops after its first word; 0 = none.
    """

    model = "echo"
    wants: Wants = "nothing"

    def __init__(self, delay_s: float = 0.0, hang_at: int = 0) -> None:
        self._delay_s = delay_s
        self._hang_at = hang_at
        self._requests = 0

    async def generate(self, request: Request, chunks: Sequence[ChunkInput]) -> AsyncIterator[TextDelta]:
        """One word a delta; a word counts as a token."""
        words = words_for(request)
        self._requests += 1
        hangs = self._requests == self._hang_at
        for i, word in enumerate(words[: request.sampling.max_new_tokens]):
            if self._delay_s:
                await asyncio.sleep(self._delay_s)
            if hangs and i:
                await asyncio.Event().wait()
            yield TextDelta(word if i == 0 else f" {word}", 1, len(request.prompt.split()))

    async def close(self) -> None:
        """Has no threads or connections to end."""


def words_for(request: Request) -> list[str]:
    """The words of the reply to a request."""
    numbers = f"{request.chunks[0].seq}-{request.chunks[-1].seq}" if request.chunks else "none"
    kind = "answer" if request.kind == "question" else request.action
    return f"{kind} at {request.pts_s:.2f} s, chunks {numbers}: {request.prompt}".split()
