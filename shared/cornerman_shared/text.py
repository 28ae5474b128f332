"""Text from outside, made safe at the boundary where it enters: valid Unicode, printable, bounded.

HTTP bodies, model output, replies of other servers and files pass through here. Inside, text needs no further check:
it can be encoded as UTF-8 and printed to a terminal.
"""

from __future__ import annotations

import re

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
ELLIPSIS = "…"

_PAIR = re.compile("([\ud800-\udbff])([\udc00-\udfff])")
_LONE = re.compile("[\ud800-\udfff]")
# C0 and C1 controls except tab and newline, DEL, and the bidirectional overrides that reorder a terminal's line.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def clean_text(text: str, max_chars: int | None = None) -> str:
    """Returns `text` as valid, printable Unicode of at most `max_chars` characters.

    Surrogate pairs are joined, lone surrogates become U+FFFD, CR LF and CR become LF, and control characters are
    removed, so that no terminal escape sequence survives. Text that is too long ends in an ellipsis.

    >>> clean_text("up \\ud83c\\udfcb, \\x1b[31mred")
    'up 🏋, [31mred'
    >>> clean_text("abcdef", 4)
    'abc…'
    """
    text = _LONE.sub(REPLACEMENT, _PAIR.sub(_join, text))
    text = _UNPRINTABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    if max_chars is not None and len(text) > max_chars:
        return text[: max_chars - 1] + ELLIPSIS if max_chars > 0 else ""
    return text


def _join(pair: re.Match[str]) -> str:
    return (pair.group(1) + pair.group(2)).encode("utf-16", "surrogatepass").decode("utf-16")
