"""What every source gives, once open: pictures with raw timestamps, one after the other, in presentation order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, TypeAlias

import av

from cornerman_capture.sampling import NOMINAL_S

Interrupted: TypeAlias = Callable[[], bool]
"""Asked by sources that wait by themselves: True = stop waiting."""


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What kind of source it turned out to be.

    Args:
        live: it comes when it comes, and cannot wait; its end is a lost connection. Else it can wait, and ends.
        paced: live, but delivered in bursts (HLS): to be played at media speed.
        nominal_s: usual time between two frames, seconds.
        pixel_aspect: width of a pixel divided by its height; None = square.
        duration_s: how long the container says it is; None = it does not.
    """

    live: bool
    paced: bool = False
    nominal_s: float = NOMINAL_S
    pixel_aspect: Fraction | None = None
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """A frame that has been decoded but not converted. `make` is called only for frames that are looked at."""

    raw_s: float | None  # timestamp as the source gave it, seconds; None = it gave none
    make: Callable[[], av.VideoFrame | None]  # None = broken picture


class FrameSource(Protocol):
    """An open source."""

    @property
    def traits(self) -> StreamInfo: ...

    @property
    def note(self) -> str:
        """What was wrong with it and could be got over, for people; empty = nothing."""

    def pictures(self, interrupted: Interrupted) -> Iterator[DecodedFrame]:
        """Blocks between pictures. Ends at the end of the source, or when interrupted.

        Raises:
            BrokenError: the source broke off.
        """

    def close(self) -> None: ...
