"""Takes a model's reasoning out of its reply, so that only the answer is spoken. Pure; tags may be split over pieces.

Known are pairs of tags (`<think>` and its relatives), harmony's channels, of which only `final` is spoken, and replies
that begin inside the reasoning, because the chat template has written the opening tag: there only a closing tag comes.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_NAMES: Final = "think|thinking|thought|thoughts|reasoning|reflection|analysis|seed:think"
_OPENING: Final = (
    rf"<(?:{_NAMES})\s*>",
    r"\[THINK\]",
    "◁think▷",
    r"<\|begin_of_thought\|>",
    r"<\|START_THINKING\|>",
    r"<\|channel>(?:thought|analysis)",
    r"<unused94>(?:thought)?",
)
_CLOSING: Final = (
    rf"</(?:{_NAMES})\s*>",
    r"\[/THINK\]",
    "◁/think▷",
    r"<\|end_of_thought\|>",
    r"<\|END_THINKING\|>",
    r"<channel\|>",
    "<unused95>",
    "assistantfinal",
)
_TAG: Final = re.compile(
    rf"(?P<opening>{'|'.join(_OPENING)})"
    # A server that strips special tokens leaves the names of harmony's channels glued to the text.
    r"|(?P<glued>\A(?-i:analysis(?=[A-Z])))"
    rf"|(?P<closing>{'|'.join(_CLOSING)})"
    r"|(?P<channel><\|channel\|>)|(?P<message><\|message\|>)|(?P<role><\|start\|>)"
    r"|(?P<other></?answer>|<\|(?= *\w)[\w ]{1,32}\|>)",
    re.IGNORECASE,
)
_MAYBE_TAG: Final = re.compile(r"(?:[<\[◁](?:[/|\w][\w:|/\s]{0,40})?|<\|channel>\w{0,7})\Z")
"""The end of a piece that could be the beginning of a tag."""
_GLUED_START: Final = "analysis"
_GLUED_END: Final = "assistantfinal"
_LONGEST_HEADER: Final = 64
_LONGEST_KEPT: Final = 100_000


class SpokenPart(NamedTuple):
    """What may be spoken of a piece; `voids`: the text given before was reasoning after all."""

    text: str
    voids: bool


class ReasoningFilter:
    """Filters one reply.

    Args:
        inside: the reply begins inside the reasoning; nothing is spoken before a closing tag.
    """

    def __init__(self, inside: bool = False) -> None:
        self._held = ""  # may be the beginning of a tag
        self._hidden = inside
        self._inside = inside
        self._unclosed = ""  # text of a reply that should have begun inside
        self._header: str | None = None  # between `<|channel|>` or `<|start|>` and `<|message|>`
        self._said = False
        self._first = True
        self._glued = False
        self.found = False
        """Whether there was reasoning."""
        self.began_inside = False
        """Whether a closing tag came without an opening one."""

    def push(self, piece: str) -> SpokenPart:
        """Takes the next piece of the reply; returns what may be spoken now."""
        text, self._held = self._held + piece, ""
        end = len(text) - self._n_waiting(text)
        text, self._held = text[:end], text[end:]
        return self._parts(text)

    def end(self, truncated: bool) -> SpokenPart:
        """Ends the reply.

        Args:
            truncated: it was cut at its longest length, so reasoning that is not closed is not an answer.
        """
        held, self._held = self._held, ""
        part = self._parts(held)
        if self._inside and self._hidden and not self.found and not truncated:
            # This once it did not reason: the text is the answer.
            return SpokenPart(self._speak(self._unclosed), part.voids)
        return part

    def _n_waiting(self, text: str) -> int:
        """How many characters at the end of `text` may be the beginning of a tag."""
        if maybe := _MAYBE_TAG.search(text):
            return len(text) - maybe.start()
        if self._first and _GLUED_START.startswith(text):
            return len(text)
        glued = self._glued or (self._first and (tag := _TAG.match(text)) is not None and tag["glued"])
        lengths = range(len(_GLUED_END) - 1, 0, -1) if glued else ()
        return next((n for n in lengths if text.endswith(_GLUED_END[:n])), 0)

    def _parts(self, text: str) -> SpokenPart:
        spoken, voids, at = "", False, 0
        for tag in _TAG.finditer(text):
            if tag["glued"] and not self._first:
                continue
            if tag["closing"] == _GLUED_END and not self._glued:
                continue
            spoken += self._plain(text[at : tag.start()])
            at = tag.end()
            if tag["opening"] or tag["glued"]:
                self._hidden = self.found = True
                self._glued = bool(tag["glued"])
            elif tag["closing"]:
                if not self._hidden:
                    # Behind an opening tag it is one of nested pairs, which tells nothing of the template.
                    self.began_inside = self.began_inside or not self.found
                    voids, spoken = voids or self._said or bool(spoken), ""
                    self._said = False
                self._hidden = self._inside = self._glued = False
                self.found = True
            elif tag["channel"] or tag["role"]:
                self._header = ""
            elif tag["message"]:
                self._channel_begins()
            self._first = False
        spoken += self._plain(text[at:])
        if text:
            self._first = False
        return SpokenPart(spoken, voids)

    def _channel_begins(self) -> None:
        channel, self._header = (self._header or "").strip().lower(), None
        # A message without a channel has the name of its role here, or nothing.
        self._hidden = bool(channel) and not channel.startswith(("final", "assistant"))
        self.found = self.found or self._hidden

    def _plain(self, text: str) -> str:
        if self._header is not None:
            self._header += text
            if len(self._header) <= _LONGEST_HEADER:
                return ""
            text, self._header = self._header, None  # no message follows: it is text
        if self._hidden:
            if self._inside and len(self._unclosed) < _LONGEST_KEPT:
                self._unclosed += text
            return ""
        return self._speak(text)

    def _speak(self, text: str) -> str:
        if not self._said:
            text = text.lstrip() if self.found else text
        self._said = self._said or bool(text)
        return text
