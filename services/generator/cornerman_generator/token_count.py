"""Counts the tokens of one reply from a server: as the server counts them, or piece by piece where it does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from cornerman_generator.protocol import TextDelta
from cornerman_generator.reply_text import no_answer
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from cornerman_generator.sse import CompletionServer

log = get_logger("token_count")

_TOLD: set[str] = set()
"""Models whose server was found to count nothing; each is logged once."""


class TokenCount:
    """Makes the deltas of one reply. Servers stream about one token a piece.

    Args:
        model: name of the model at the server.
        n_input: tokens of the prompt; 0 = the server knows.
        prepare_s: how long the input of the model took to make.
    """

    def __init__(self, model: str, n_input: int = 0, prepare_s: float = 0.0) -> None:
        self._model, self._prepare_s = model, prepare_s
        self._n_input, self._n_reply = n_input, 0
        self._n_texts = self._n_thoughts = 0
        self._answered = False

    async def events(
        self, server: CompletionServer, path: str, body: dict[str, Any], deadline_at_s: float, traceparent: str = ""
    ) -> AsyncIterator[dict[str, Any] | TextDelta]:
        """The server's pieces; before them a delta for each try that failed."""
        failed: list[TextDelta] = []

        def report() -> None:
            failed.append(TextDelta("", 0, handled="server_busy"))

        async for event in server.stream(path, body, deadline_at_s, report, traceparent):
            while failed:
                yield failed.pop()
            yield event

    def add(self, n_input: int, n_reply: int) -> None:
        """Takes the server's counts; 0 = it does not say."""
        self._n_input, self._n_reply = n_input or self._n_input, n_reply or self._n_reply

    def text(self, text: str) -> TextDelta:
        """The delta of a piece of the answer."""
        self._n_texts += 1
        self._answered = self._answered or bool(text.strip())
        return TextDelta(text, 1, self._n_input, prepare_s=self._prepare_s)

    def thought(self) -> TextDelta:
        """The delta of a piece of reasoning: it shows that the model works, and is not spoken."""
        self._n_thoughts += 1
        return TextDelta("", 1, self._n_input, prepare_s=self._prepare_s)

    def total(self) -> TextDelta:
        """The last delta.

        Raises:
            GenerationError: there was reasoning and no answer.
        """
        n_pieces = self._n_texts + self._n_thoughts
        if self._n_thoughts and not self._answered:
            raise no_answer(self._n_reply or n_pieces)
        guessed = bool(n_pieces) and not self._n_reply
        if guessed and self._model not in _TOLD:
            _TOLD.add(self._model)
            log.warning("usage_missing", model=self._model, counted="pieces of text, as tokens")
        return TextDelta("", 0, self._n_input, self._n_reply, guessed=guessed)
