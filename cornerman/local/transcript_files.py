"""Captions as text: WebVTT, SubRip, JSON lines and Markdown, each valid whatever the words are. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal, get_args

from cornerman.local.captions import Caption
from cornerman.local.event_lines import clock
from cornerman_media.webvtt import Cue, timestamp, webvtt

TranscriptFormat = Literal["vtt", "srt", "jsonl", "md"]
FORMATS: Final[tuple[TranscriptFormat, ...]] = get_args(TranscriptFormat)

_JOINER: Final = "\N{WORD JOINER}"
_MARKUP: Final = re.compile(r"<|\\(?=[Nnh])")
_BRACES: Final = str.maketrans("{}", "\N{FULLWIDTH LEFT CURLY BRACKET}\N{FULLWIDTH RIGHT CURLY BRACKET}")
_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]<>#|~!&$])")


def transcript(
    known: Sequence[Caption], form: TranscriptFormat, *, title: str, source_id: str, start_s: float = 0.0
) -> str:
    """A whole file of captions in order of time; without captions it is valid, too.

    Args:
        known: captions in media time.
        title: name of the source, for people.
        start_s: where a player of the source shows media time 0, seconds; the file's times are a player's.
    """
    shown = [replace(one, start_s=one.start_s + start_s, end_s=one.end_s + start_s) for one in known]
    if form == "jsonl":
        return to_jsonl(shown, source_id, start_s)
    return to_markdown(shown, title) if form == "md" else {"vtt": to_vtt, "srt": to_srt}[form](shown)


def to_vtt(known: Sequence[Caption]) -> str:
    """WebVTT (W3C)."""
    return webvtt([Cue(one.start_s, one.end_s, one.text, note=one.about) for one in known])


def to_srt(known: Sequence[Caption]) -> str:
    """SubRip. It knows no escapes: an invisible word joiner keeps players from taking words for tags or line breaks,
    and wide braces from hiding what is in them.

    >>> print(to_srt([Caption(1.0, 3.0, "correct", "Hips --> knees")]), end="")
    1
    00:00:01,000 --> 00:00:03,000
    Hips -> knees
    """
    blocks = []
    for number, one in enumerate(known, 1):
        text = _MARKUP.sub(rf"\g<0>{_JOINER}", re.sub("-+->", "->", one.text)).translate(_BRACES)
        times = " --> ".join(timestamp(at_s).replace(".", ",") for at_s in (one.start_s, one.end_s))
        blocks.append(f"{number}\n{times}\n{text}\n")
    return "\n".join(blocks)


def to_jsonl(known: Sequence[Caption], source_id: str, start_s: float = 0.0) -> str:
    """One object a line, as `run --json` prints feedback, with the time span of its caption in a player.

    `pts_s` is media time, so that `annotate --from` reads them. `start_s`: see `transcript`.
    """
    lines = []
    for one in known:
        line = {
            "type": "feedback",
            "source_id": source_id,
            "request_id": one.request_id,
            "action": one.action,
            "pts_s": round(one.start_s - start_s, 3),
            "text": one.said or one.text,
            "start_s": round(one.start_s, 3),
            "end_s": round(one.end_s, 3),
            **({"about": one.about} if one.about else {}),
        }
        lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    return "".join(lines)


def to_markdown(known: Sequence[Caption], title: str) -> str:
    r"""CommonMark: a heading and one item for each caption.

    >>> print(to_markdown([Caption(1.0, 3.0, "correct", "*Lower* it.")], "squat.mp4"), end="")
    # squat.mp4
    <BLANKLINE>
    - **00:01.0** correct: \*Lower\* it.
    """
    items = [
        f"- **{clock(one.start_s)}** {one.action}: {_plain(one.text)}"
        + (f" *({_plain(one.about)})*" if one.about else "")
        for one in known
    ]
    return "\n".join([f"# {_plain(title)}", "", *(items or ["Nothing was said."])]) + "\n"


def _plain(text: str) -> str:
    """Text without meaning to Markdown, on one line."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))
