"""Interface of an open source: decoded frames with raw timestamps, in presentation order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, TypeAlias

import av

from cornerman_media.timestamps import NOMINAL_S

Interrupted: TypeAlias = Callable[[], bool]
"""Polled by a source between frames and while it waits; True = stop reading."""


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """Properties of an open source.

    Attributes:
        live: the source cannot wait, and its end is a lost connection; False = a file, which can wait and ends.
        paced: live, but delivered in bursts (HLS), so it is paced at media speed.
        nominal_s: usual time between two frames, seconds.
        pixel_aspect: width of a pixel of the newest frame divided by its height; None = square.
        duration_s: as stated by the container; None = not stated.
    """

    live: bool
    paced: bool = False
    nominal_s: float = NOMINAL_S
    pixel_aspect: Fraction | None = None
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """A frame with its raw timestamp.

    Attributes:
        raw_s: timestamp of the source, seconds; None = missing.
        decode: returns the whole frame, or None if the picture is broken; called only for frames that are used.
        duration_s: how long the frame is shown, seconds; 0 = unknown.
    """

    raw_s: float | None
    decode: Callable[[], av.VideoFrame | None]
    duration_s: float = 0.0


class FrameSource(Protocol):
    """An open source."""

    @property
    def info(self) -> StreamInfo:
        """Properties of the source; the shape of its pixels may change with a frame."""

    @property
    def note(self) -> str:
        """Problems that were skipped, for users; empty = none."""

    def cut_short(self) -> str:
        """Asked after the last frame: what is missing at the end, for users; empty = nothing."""

    def frames(self, interrupted: Interrupted) -> Iterator[DecodedFrame]:
        """Yields frames, blocking between them. Ends at the end of the source or when interrupted.

        Raises:
            BrokenError: the source broke off.
        """

    def close(self) -> None:
        """Releases the source."""
