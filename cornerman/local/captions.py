"""What stands on the picture at which moment: feedback as captions. Pure: no video, no drawing."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

WORDS_PER_S: Final = 2.5
"""Reading speed, slow enough for somebody who is also watching."""

SHORTEST_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Caption:
    """Words from `start_s` until before `end_s`, media time."""

    start_s: float
    end_s: float
    action: str
    text: str


def captions(lines: Iterable[dict[str, Any]]) -> list[Caption]:
    """From the `feedback` objects of `run --json`: each stays as long as it takes to read, or until the next.

    >>> [(c.start_s, c.end_s) for c in captions([{"type": "feedback", "pts_s": 1.0, "action": "correct", "text":
    "Hips."}])] [(1.0, 3.0)]
    """
    spoken = (line for line in lines if line.get("type") == "feedback" and line["text"])
    said = sorted(spoken, key=lambda line: float(line["pts_s"]))
    starts = [float(line["pts_s"]) for line in said]
    found = []
    for line, start_s, next_s in zip(said, starts, [*starts[1:], float("inf")], strict=True):
        text = " ".join(str(line["text"]).split())
        end_s = start_s + max(SHORTEST_S, len(text.split()) / WORDS_PER_S)
        found.append(Caption(start_s, min(end_s, next_s), str(line["action"]), text))
    return found


def caption_at(known: Sequence[Caption], pts_s: float) -> Caption | None:
    """What stands there at this moment."""
    return next((one for one in known if one.start_s <= pts_s < one.end_s), None)


def rows(text: str, columns: int, most: int = 3) -> list[str]:
    """The text in at most `most` rows of `columns` characters; what does not fit ends in "…"."""
    return textwrap.wrap(text, columns, max_lines=most, placeholder=" …")


def webvtt(known: Iterable[Caption]) -> str:
    """The captions as a WebVTT file."""
    parts = ["WEBVTT\n"]
    for one in known:
        text = one.text.replace("&", "&amp;").replace("<", "&lt;")
        parts.append(f"{_stamp(one.start_s)} --> {_stamp(one.end_s)}\n{text}\n")
    return "\n".join(parts)


def _stamp(pts_s: float) -> str:
    milliseconds = round(pts_s * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"
