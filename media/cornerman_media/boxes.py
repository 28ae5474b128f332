"""The boxes of an MP4 or MOV (ISO 14496-12), as far as FFmpeg must be protected from them, and an end be judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

FIRST: Final = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"moof", b"pnot", b"sidx"})
"""Boxes that a file begins with."""

MOST: Final = 200_000
"""So many boxes are looked at."""

_HOLDERS: Final = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf", b"mvex", b"edts", b"udta"})
_DEEPEST: Final = 8
_MOST_SAMPLES: Final = 1 << 20  # of a run that stores nothing for each of them


@dataclass(frozen=True, slots=True)
class Box:
    """A box: its name, where its body begins, where it ends as it says, and how deep it lies."""

    kind: bytes
    body: int
    end: int
    depth: int


def is_iso(path: Path) -> bool:
    """Whether a file begins as an MP4 or MOV does."""
    with path.open("rb") as file:
        return file.read(8)[4:8] in FIRST


def walk(file: BinaryIO, begin: int, end: int, depth: int = 0) -> Iterator[Box]:
    """Boxes in the order of the file, holders before what they hold; stops at bytes that cannot be a box."""
    at = begin
    while at + 8 <= end:
        file.seek(at)
        header = file.read(16)
        length, body = int.from_bytes(header[:4], "big"), at + 8
        if length == 1:
            length, body = int.from_bytes(header[8:16], "big"), at + 16
        if length == 0:  # to the end of what holds it
            length = end - at
        if length < body - at:
            return
        box = Box(header[4:8], body, at + length, depth)
        yield box
        if box.kind in _HOLDERS and depth < _DEEPEST:
            yield from walk(file, body, min(end, box.end), depth + 1)
        at += length


def absurd_run(path: Path) -> bool:
    """Whether a fragment promises more samples than it has room for: FFmpeg allocates gigabytes for them unchecked."""
    size = path.stat().st_size
    with path.open("rb") as file:
        for number, box in enumerate(walk(file, 0, size)):
            if number >= MOST:
                return False
            if box.kind == b"trun" and _is_absurd(file, box, size):
                return True
    return False


def _is_absurd(file: BinaryIO, box: Box, size: int) -> bool:
    file.seek(box.body)
    head = file.read(8)
    if len(head) < 8:
        return False
    flags, count = int.from_bytes(head[1:4], "big"), int.from_bytes(head[4:], "big")
    each = 4 * (flags & 0xF00).bit_count()
    room = min(box.end, size) - box.body - 8
    return count > _MOST_SAMPLES if each == 0 else count * each > max(room, 0) + _MOST_SAMPLES
