"""Text of back ends: valid, printable, bounded."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cornerman_generator.protocol import TextDelta
from cornerman_generator.reply_text import clean_deltas


class Pieces:
    """Yields the pieces; records that it was closed."""

    def __init__(self, *pieces: str) -> None:
        self._pieces = pieces
        self.closed = False

    async def deltas(self) -> AsyncIterator[TextDelta]:
        try:
            for piece in self._pieces:
                yield TextDelta(piece, 1)
        finally:
            self.closed = True


async def said(pieces: Pieces, max_chars: int = 100) -> str:
    return "".join([delta.text async for delta in clean_deltas(pieces.deltas(), max_chars)])


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (("Lift \ud83c", "\udfcb now"), "Lift \N{WEIGHT LIFTER} now"),
        (("half \ud83c",), "half \ufffd"),
        (("\udfcb", "tail"), "\ufffdtail"),
        (("\x1b]52;c;aGk=\x07", "ok"), "]52;c;aGk=ok"),
    ],
)
async def test_pieces_become_printable_text(pieces: tuple[str, ...], expected: str) -> None:
    assert await said(Pieces(*pieces)) == expected


async def test_long_reply_stops_back_end() -> None:
    endless = Pieces(*["word "] * 10_000)
    assert await said(endless, 12) == "word word w\N{HORIZONTAL ELLIPSIS}"
    assert endless.closed
