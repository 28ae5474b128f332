"""Whether a file was cut short. Evidence first: bytes that are promised and missing, packets that gave no frame."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from cornerman_media.boxes import FIRST, MOST, walk

CUT_SHORT_S: Final = 1.0
"""An end this much before the stated one is not reported unless bytes are missing."""

QUIET_STEPS: Final = 2.0
"""Nor is one within so many of the newest intervals: a slow time-lapse ends with a long frame."""

LOST_PART: Final = 0.05
"""Share of packets without a frame that counts as evidence of damage."""

_EBML: Final = b"\x1a\x45\xdf\xa3"
_SEGMENT: Final = 0x18538067


def cut_short(
    *,
    end_s: float,
    stated_s: float | None,
    duration_s: float | None,
    longest_step_s: float,
    missing_bytes: int | None,
    damaged: bool,
) -> str:
    """The report on the end of a file, for people; "" = it is whole.

    Args:
        end_s: when its last frame ends, seconds from the first.
        stated_s: length of the video track as the container states it; None = it does not.
        duration_s: length of the longest track; used only when bytes are missing and `stated_s` is unknown.
        longest_step_s: longest of the newest intervals between frames, seconds.
        missing_bytes: see `missing_bytes`; None = the format does not say.
        damaged: whether packets were broken, or gave no frame.
    """
    tolerance_s = QUIET_STEPS * longest_step_s
    if not missing_bytes or stated_s is None:
        tolerance_s = max(CUT_SHORT_S, tolerance_s)
    if stated_s is not None:
        if stated_s - end_s > tolerance_s and (damaged or missing_bytes is None or missing_bytes > 0):
            return f"cut short: it ends after {end_s:.1f} of {stated_s:.1f} s"
        return ""
    if not missing_bytes:
        return ""
    if duration_s is None:
        return f"cut short: it ends after {end_s:.1f} s, and its last {missing_bytes} bytes are missing"
    if duration_s - end_s > tolerance_s:
        return f"cut short: it ends after {end_s:.1f} of {duration_s:.1f} s"
    return ""


def missing_bytes(path: Path) -> int | None:
    """Bytes that a file's own structure promises behind its end; 0 = it is whole, None = the format does not say.

    Reads the outermost sizes of MP4 and MOV (ISO 14496-12 boxes), Matroska and WebM (RFC 8794) and AVI (RIFF).
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(12)
            file.seek(0)
            if head[4:8] in FIRST:
                return _missing_boxes(file, size)
            if head[:4] == _EBML:
                return _missing_segment(file, size)
            if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
                return _missing_riff(file, size)
    except OSError:
        return None
    return None


def _missing_boxes(file: BinaryIO, size: int) -> int:
    ends = [box.end for box in islice(walk(file, 0, size), MOST) if box.depth == 0]
    return max(0, ends[-1] - size) if ends else 0


def _missing_segment(file: BinaryIO, size: int) -> int | None:
    _id, length, at = _element(file, 0)
    if length is None:
        return None
    element, length, at = _element(file, at + length)
    if element != _SEGMENT or length is None:
        return None
    return max(0, at + length - size)


def _element(file: BinaryIO, at: int) -> tuple[int, int | None, int]:
    """An EBML element: its id, its length (None = unknown), and where its data begins."""
    file.seek(at)
    data = file.read(12)
    if len(data) < 12:
        return 0, None, at
    id_bytes = _width(data[0])
    size_bytes = _width(data[id_bytes]) if id_bytes <= 4 else 9
    if size_bytes > 8:
        return 0, None, at
    raw = int.from_bytes(data[id_bytes : id_bytes + size_bytes], "big")
    length = raw & ((1 << (7 * size_bytes)) - 1)
    unknown = length == (1 << (7 * size_bytes)) - 1
    return int.from_bytes(data[:id_bytes], "big"), None if unknown else length, at + id_bytes + size_bytes


def _width(first: int) -> int:
    """Bytes of a variable-length number, from its first; 9 = not one."""
    return 9 - first.bit_length()


def _missing_riff(file: BinaryIO, size: int) -> int | None:
    at = 0
    for _ in range(MOST):
        if at + 8 > size:
            return 0
        file.seek(at)
        header = file.read(8)
        if header[:4] != b"RIFF":
            return 0
        length = int.from_bytes(header[4:], "little")
        if length in (0, 0xFFFFFFFF):  # a recorder that was stopped before it wrote its sizes
            return None
        at += 8 + length + length % 2
        if at > size + 1:
            return at - size
    return None
