"""The pure parts of a reply: choice of frames, silence filter, pace of text. No bus, no event loop, no model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cornerman_shared.errors import GenerationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from cornerman_shared.bus.chunk_input import ChunkInput
    from cornerman_shared.bus.messages import Request, Times


def times_of(
    request: Request,
    first_token_at_s: float,
    done_at_s: float = 0.0,
    *,
    started_at_s: float = 0.0,
    last_token_at_s: float = 0.0,
) -> Times:
    """The request's times with those of this stage, unix seconds."""
    times = request.times.reached("started", started_at_s).reached("first_token", first_token_at_s)
    return times.reached("last_token", last_token_at_s).reached("done", done_at_s)


def owner_words(request: Request) -> str:
    """The owner's own sentence about the mistake or for praise, if they gave one; empty = the model finds the words."""
    if request.kind != "feedback" or request.about is None:
        return ""
    if request.action != "correct":
        return request.about.praise
    return next((mistake.say for mistake in request.about.mistakes), "")


def require_tokens(chunks: Sequence[ChunkInput]) -> None:
    """Checks that every chunk has its tokens.

    Raises:
        GenerationError: one has none; names the setting to change.
    """
    for chunk in chunks:
        if chunk.context is None or chunk.video is None:
            raise GenerationError(
                f"chunk {chunk.ref.seq} has no tokens to read; set encoder.backend to mobile_videogpt or pose, "
                "or generator.backend to one that looks at frames"
            )


def distinct_frames(chunks: Sequence[ChunkInput], limit: int) -> list[NDArray[np.uint8]]:
    """Every frame [H, W, 3] of the chunks once, in time order.

    Of more than `limit` frames an even choice is kept, the newest always among them. A single look is kept whole, as
    it was asked for, also where one frame stands for several moments of it.

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
        # Overlapping chunks share frames: equal media times, up to rounding, are one frame.
        for pts_s, frame in zip(chunk.ref.frame_pts_s, chunk.frames, strict=True):
            found[round(pts_s, 6)] = frame
    if len(chunks) == 1 and chunks[0].frames is not None:
        return list(chunks[0].frames)
    return spread_frames([found[pts_s] for pts_s in sorted(found)], limit)


def spread_frames(ordered: list[NDArray[np.uint8]], limit: int) -> list[NDArray[np.uint8]]:
    """An even choice of at most `limit` frames, the newest always among them."""
    if len(ordered) <= limit:
        return ordered
    # Counted from the end, so that rounding never drops the newest frame.
    step = (len(ordered) - 1) / max(1, limit - 1)
    return [ordered[len(ordered) - 1 - round(step * i)] for i in reversed(range(limit))]


class SilenceFilter:
    """Holds text back while it may still turn out to be silence: `...`, or a repeat of the last feedback.

    Args:
        avoid: the text that would be a repeat; empty = none.
    """

    def __init__(self, avoid: str) -> None:
        self._avoid = _normalized(avoid)
        self._held = ""
        self._open = False  # True once text has passed: from then on nothing is held

    def push(self, text: str) -> str:
        """The text that may be sent now; empty while it is held back."""
        if self._open:
            return text
        self._held = (self._held + text).lstrip()  # models start with a space; viewers should not
        if _may_be_silence(self._held) or (self._avoid and self._avoid.startswith(_normalized(self._held))):
            return ""
        self._open = True
        return self._held

    def end(self) -> tuple[str, bool]:
        """The rest to send, and True if the whole reply was silence."""
        if self._open:
            return "", False
        silent = _may_be_silence(self._held) or (bool(self._avoid) and _normalized(self._held) == self._avoid)
        return ("", True) if silent else (self._held, False)


def tokens_per_s(arrivals: Sequence[tuple[float, int]], n_reply_tokens: int = 0) -> float:
    """Tokens after the first piece a second; 0 = all came at once, which has no rate.

    The first piece is left out of the count, because its own time is the TTFT.

    Args:
        arrivals: of each piece, when it came (monotonic seconds) and its number of tokens.
        n_reply_tokens: of the whole reply, where its server counted them; a piece may have more than one.
    """
    pieces = [(at_s, n_tokens) for at_s, n_tokens in arrivals if n_tokens > 0]
    took_s = pieces[-1][0] - pieces[0][0] if pieces else 0.0
    if took_s <= 0:
        return 0.0
    later = n_reply_tokens - pieces[0][1] if n_reply_tokens else sum(n_tokens for _, n_tokens in pieces[1:])
    return max(0, later) / took_s


class TextPacer:
    """Gathers text so that at most one piece goes out in `gap_s` seconds; the first one goes at once."""

    def __init__(self, gap_s: float = 1 / 30) -> None:
        self._gap_s = gap_s
        self._text = ""
        self._sent_at_s: float | None = None

    def push(self, text: str) -> None:
        self._text += text

    def clear(self) -> None:
        """Drops the gathered text; the next piece goes out at once."""
        self._text, self._sent_at_s = "", None

    def wait_s(self, now_s: float) -> float | None:
        """Seconds until a piece is due; None = there is nothing to send."""
        if not self._text:
            return None
        return 0.0 if self._sent_at_s is None else max(0.0, self._sent_at_s + self._gap_s - now_s)

    def take(self, now_s: float) -> str:
        """The gathered text; empty = none."""
        text, self._text = self._text, ""
        if text:
            self._sent_at_s = now_s
        return text


def _normalized(text: str) -> str:
    """Words only, lower case: case, punctuation and spaces make no difference to a repeat."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def _may_be_silence(text: str) -> bool:
    return not text.strip(" .…\"'\n\t")
