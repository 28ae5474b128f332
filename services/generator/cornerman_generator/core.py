"""What a generator is: a request and what its chunks hold in, pieces of text out. Pure; which model it is, the back
ends know."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from cornerman_shared.bus.messages import ChunkRef, Request
from cornerman_shared.errors import GenerationError

Wants = Literal["nothing", "tokens", "frames"]


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of text, to be appended.

    `n_tokens` is how many tokens it took; `n_input_tokens` is the length of the prompt, from the piece on that
    knows it.
    """

    text: str
    n_tokens: int
    n_input_tokens: int = 0


@dataclass(frozen=True, slots=True)
class ChunkInput:
    """One chunk of the request's context with what the generator wanted of it."""

    ref: ChunkRef
    context: NDArray[Any] | None = None  # [8, P, D]
    video: NDArray[Any] | None = None  # [V, D]
    frames: NDArray[np.uint8] | None = None  # [8, H, W, 3]


class Generator(Protocol):
    """Answers requests; several may be answered at once."""

    wants: Wants

    @property
    def model(self) -> str:
        """What it is called in messages."""

    def generate(self, request: Request, chunks: Sequence[ChunkInput]) -> AsyncIterator[TextDelta]:
        """Text about the chunks, oldest first. Closing the iterator stops the model within one token.

        Raises:
            GenerationError: the back end failed; says why.
        """

    async def close(self) -> None:
        """Lets go of threads and connections."""


def require_tokens(chunks: Sequence[ChunkInput]) -> None:
    """Checks that every chunk has its tokens.

    Raises:
        GenerationError: one has none; says which setting is wrong.
    """
    for chunk in chunks:
        if chunk.context is None or chunk.video is None:
            raise GenerationError(
                f"chunk {chunk.ref.seq} has no tokens to read; set encoder.backend to mobile_videogpt, "
                "or generator.backend to one that looks at frames"
            )


def distinct_frames(chunks: Sequence[ChunkInput], most: int) -> list[NDArray[np.uint8]]:
    """Every frame of the chunks once, in time order; of more than `most` an even choice, the newest always in it.

    Raises:
        GenerationError: a chunk came without its pixels.
    """
    found: dict[float, NDArray[np.uint8]] = {}
    for chunk in chunks:
        if chunk.frames is None:
            raise GenerationError(
                f"chunk {chunk.ref.seq} came without its frames; capture keeps them when generator.backend is one "
                "that looks at frames, so give capture the same settings"
            )
        for pts_s, frame in zip(chunk.ref.frame_pts_s, chunk.frames, strict=True):
            found[round(pts_s, 6)] = frame
    ordered = [found[pts_s] for pts_s in sorted(found)]
    if len(ordered) <= most:
        return ordered
    step = (len(ordered) - 1) / max(1, most - 1)
    return [ordered[len(ordered) - 1 - round(step * i)] for i in reversed(range(most))]


class SilenceFilter:
    """Holds words back while they may still turn out to be nothing new: `...`, or what was said last.

    Args:
        avoid: the words that would be a repeat; empty = none.
    """

    def __init__(self, avoid: str) -> None:
        self._avoid = _plain(avoid)
        self._held = ""
        self._open = False

    def push(self, text: str) -> str:
        """What may be said now."""
        if self._open:
            return text
        self._held = (self._held + text).lstrip()
        if _may_be_silence(self._held) or (self._avoid and self._avoid.startswith(_plain(self._held))):
            return ""
        self._open = True
        return self._held

    def end(self) -> tuple[str, bool]:
        """The rest to be said, and whether all of it was nothing new."""
        if self._open:
            return "", False
        silent = _may_be_silence(self._held) or (bool(self._avoid) and _plain(self._held) == self._avoid)
        return ("", True) if silent else (self._held, False)


class TextPacer:
    """Gathers text so that no more than one piece goes out in `gap_s`; the first one goes at once."""

    def __init__(self, gap_s: float = 1 / 30) -> None:
        self._gap_s = gap_s
        self._text = ""
        self._sent_at_s: float | None = None

    def push(self, text: str) -> None:
        self._text += text

    def wait_s(self, now_s: float) -> float | None:
        """How long until a piece is due; None = there is nothing to send."""
        if not self._text:
            return None
        return 0.0 if self._sent_at_s is None else max(0.0, self._sent_at_s + self._gap_s - now_s)

    def take(self, now_s: float) -> str:
        """What has gathered."""
        text, self._text = self._text, ""
        if text:
            self._sent_at_s = now_s
        return text


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _may_be_silence(text: str) -> bool:
    return not text.strip(" .…\"'\n\t")
