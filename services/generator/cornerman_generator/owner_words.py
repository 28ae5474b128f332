"""The owner's own sentence about a mistake that they have taught: said as it is, and marked as theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerman_generator.protocol import TextDelta

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cornerman_shared.bus.messages import Request


def owner_words(request: Request) -> str:
    """The sentence to say instead of a model's words; empty = the model speaks."""
    if request.kind != "feedback" or request.action != "correct" or request.about is None:
        return ""
    return next((mistake.say for mistake in request.about.mistakes), "")


async def spoken_by_owner(text: str) -> AsyncIterator[TextDelta]:
    """The sentence as a reply; no token of a model is in it."""
    yield TextDelta(text, 0)
