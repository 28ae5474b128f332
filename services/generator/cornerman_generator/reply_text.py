"""Cleans and bounds what a back end says, before anything else reads it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cornerman_generator.protocol import TextDelta
from cornerman_shared.text import TextCleaner

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator


async def clean_deltas(deltas: AsyncIterator[TextDelta], max_chars: int) -> AsyncGenerator[TextDelta, None]:
    """The deltas with valid, printable text of at most `max_chars` characters in all.

    Halves of a surrogate pair that came in two deltas are joined. At the bound the text ends in an ellipsis, and the
    iterator of the back end is closed, which stops its model.
    """
    cleaner = TextCleaner(max_chars)
    try:
        async for delta in deltas:
            yield replace(delta, text=cleaner.push(delta.text))
            if cleaner.full:
                return
        if rest := cleaner.end():
            yield TextDelta(rest, 0)
    finally:
        close = getattr(deltas, "aclose", None)  # the protocol asks for an iterator; generators can be closed
        if close is not None:
            await close()
