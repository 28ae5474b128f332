"""Which of a frame's timestamps is its time: presentation, or decoding where the container has no other.

Follows `guess_correct_pts` of FFmpeg's libavcodec: whichever of the two runs backwards less often.
"""

from __future__ import annotations

from typing import Final

DECODING_TIMES: Final = frozenset({"avi"})
"""Formats without presentation times. FFmpeg makes some up in decoding order, wrong for every B-frame."""


class StampChooser:
    """The timestamps of one stream, frame by frame in presentation order.

    Args:
        container: FFmpeg's name of the format.
        reordered: how many frames the decoder holds back to put them in order; 0 = there are no B-frames.
    """

    def __init__(self, container: str, reordered: int) -> None:
        self.by_dts = container in DECODING_TIMES and reordered > 0
        self._last_pts: int | None = None
        self._last_dts: int | None = None
        self._faulty_pts = 0
        self._faulty_dts = 0

    def choose(self, pts: int | None, dts: int | None) -> int | None:
        """The frame's time in ticks; None = it has none.

        Args:
            pts: presentation time.
            dts: decoding time of the packet that completed the frame: in presentation order it rises.
        """
        if self.by_dts:
            return dts
        if dts is not None:
            if self._last_dts is not None and dts <= self._last_dts:
                self._faulty_dts += 1
            self._last_dts = dts
        if pts is None:
            return None
        if self._last_pts is not None and pts <= self._last_pts:
            self._faulty_pts += 1
        self._last_pts = pts
        return dts if self._faulty_pts > self._faulty_dts and dts is not None else pts
