"""Captions: feedback with the time span in which it is shown on the picture. Pure: no video, no drawing."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

WORDS_PER_S: Final = 2.5
"""Reading speed of a person who also watches the video."""

SHORTEST_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Caption:
    """Text shown from `start_s` until before `end_s`, seconds of media time.

    Attributes:
        text: on one line.
        about: the movement it is about; "" = unknown.
        said: the text as the model gave it, maybe of several lines.
        request_id: of the request that it answers; "" = unknown.
    """

    start_s: float
    end_s: float
    action: str
    text: str
    about: str = ""
    said: str = ""
    request_id: str = ""


def captions(lines: Iterable[dict[str, Any]]) -> list[Caption]:
    """Captions of the `feedback` objects of `run --json`, in order of time, with the movement of their decisions.

    Each is shown for its reading time, or until the next one starts.

    >>> line = {"type": "feedback", "pts_s": 1.0, "action": "correct", "text": "Hips."}
    >>> [(caption.start_s, caption.end_s) for caption in captions([line])]
    [(1.0, 3.0)]
    """
    known = list(lines)
    decided = (line for line in known if line.get("type") == "decision" and "about" in line)
    about = {f"{line['source_id']}:{line['run']}:{line['seq']}": str(line["about"]["text"]) for line in decided}
    feedback = (line for line in known if line.get("type") == "feedback" and str(line["text"]).strip())
    ordered = sorted(feedback, key=lambda line: float(line["pts_s"]))
    starts = [float(line["pts_s"]) for line in ordered]
    found = []
    for line, start_s, next_s in zip(ordered, starts, [*starts[1:], float("inf")], strict=False):
        said = str(line["text"])
        text = " ".join(said.split())
        end_s = start_s + max(SHORTEST_S, len(text.split()) / WORDS_PER_S)
        request_id = str(line.get("request_id", ""))
        note = about.get(request_id) or str(line.get("about", ""))
        # Two captions never overlap.
        found.append(Caption(start_s, min(end_s, next_s), str(line["action"]), text, note, said, request_id))
    return found


def caption_at(known: Sequence[Caption], pts_s: float) -> Caption | None:
    """The caption shown at this media time, or None."""
    return next((caption for caption in known if caption.start_s <= pts_s < caption.end_s), None)


def wrap(text: str, columns: int, most: int = 3) -> list[str]:
    """Breaks text into at most `most` rows of `columns` characters; cut text ends in "…"."""
    return textwrap.wrap(text, columns, max_lines=most, placeholder=" …")
