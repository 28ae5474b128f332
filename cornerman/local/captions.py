"""Captions: feedback with the time span in which it is shown on the picture. Pure: no video, no drawing."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

WORDS_PER_S: Final = 2.5
"""Reading speed of a person who also watches the video."""

SHORTEST_S: Final = 2.0

_APART_S: Final = 0.002


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
    for line, start_s, next_s in zip(ordered, starts, _later(starts), strict=True):
        said = str(line["text"])
        text = " ".join(said.split())
        end_s = start_s + max(SHORTEST_S, len(text.split()) / WORDS_PER_S)
        request_id = str(line.get("request_id", ""))
        note = about.get(request_id) or str(line.get("about", ""))
        # Two captions overlap only if they start together: players show none of the ones without a span.
        found.append(Caption(start_s, min(end_s, next_s), str(line["action"]), text, note, said, request_id))
    return found


def _later(starts: Sequence[float]) -> list[float]:
    """For each of these rising times the next one that is later also in a file, whose unit is a millisecond."""
    found: list[float] = []
    next_s = math.inf
    for start_s, after_s in zip(reversed(starts), [math.inf, *reversed(starts)], strict=False):
        next_s = after_s if after_s - start_s >= _APART_S else next_s
        found.append(next_s)
    return found[::-1]


def caption_at(known: Sequence[Caption], pts_s: float) -> Caption | None:
    """The caption shown at this media time, or None; several that start together are shown as one."""
    shown = [caption for caption in known if caption.start_s <= pts_s < caption.end_s]
    if len(shown) > 1:
        return replace(shown[0], text=" ".join(one.text for one in shown))
    return shown[0] if shown else None


def wrap(text: str, columns: int, most: int = 3) -> list[str]:
    """Breaks text into at most `most` rows of `columns` characters; cut text ends in "…"."""
    return textwrap.wrap(text, columns, max_lines=most, placeholder=" …")
