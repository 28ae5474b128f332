"""WebVTT subtitles (W3C): cues to text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cue:
    """Text shown from `start_s` until before `end_s`, seconds of media time.

    Attributes:
        style: class that a style sheet may select; "" = none.
        identifier: line before the times; "" = none.
        note: comment before the cue; "" = none.
    """

    start_s: float
    end_s: float
    text: str
    style: str = ""
    identifier: str = ""
    note: str = ""


def webvtt(cues: Iterable[Cue], note: str = "") -> str:
    """A whole WebVTT file. `note` is a comment at its top.

    >>> print(webvtt([Cue(1.5, 3.0, "Hips < knees", "correction")]), end="")
    WEBVTT
    <BLANKLINE>
    00:00:01.500 --> 00:00:03.000
    <c.correction>Hips &lt; knees</c>
    """
    blocks = ["WEBVTT", *([_comment(note)] if note else [])]
    return "\n\n".join([*blocks, *map(_block, cues)]) + "\n"


def timestamp(pts_s: float) -> str:
    """Media time as a cue writes it; times before 0 become 0.

    >>> timestamp(3725.25)
    '01:02:05.250'
    """
    ms = max(0, round(pts_s * 1000))
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"


def _block(cue: Cue) -> str:
    text = _one_line(cue.text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if cue.style:
        text = f"<c.{cue.style}>{text}</c>"
    times = f"{timestamp(cue.start_s)} --> {timestamp(cue.end_s)}"
    block = "\n".join([*([cue.identifier] if cue.identifier else []), times, text])
    return f"{_comment(cue.note)}\n\n{block}" if cue.note else block


def _comment(note: str) -> str:
    # A comment ends at an empty line and must not contain an arrow.
    return f"NOTE {_one_line(note).replace('-->', '->')}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
