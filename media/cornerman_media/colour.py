"""The colour matrix of a film: every frame is written with the one of its source, drawn on or not, and tagged so."""

from __future__ import annotations

from typing import Final

import av
import numpy as np
from av.video.reformatter import Colorspace, VideoReformatter
from numpy.typing import NDArray

from cornerman_media.scaling import scaling_flags

# Values of ITU-T H.273, "matrix coefficients".
_BT709: Final = 1
_UNKNOWN: Final = 2
_SMPTE170M: Final = 6
_BT2020: Final = (9, 10)
_LIMITED: Final = "MPEG"


class Colours:
    """Which matrix turns RGB into the film's YUV. Set by the first frame that is YUV; BT.601 without one."""

    def __init__(self) -> None:
        self._matrix = _SMPTE170M
        self._primaries: int | None = None
        self._transfer: int | None = None
        self._learnt = False

    def learn(self, frame: av.VideoFrame) -> None:
        """Takes over the colours of a source's frame; only the first counts."""
        if self._learnt or frame.format.is_rgb or frame.format.name.startswith("rgb"):
            return
        self._learnt = True
        self._matrix = int(frame.colorspace)
        self._primaries, self._transfer = int(frame.color_primaries), int(frame.color_trc)

    def tag(self, encoder: av.VideoCodecContext) -> None:
        """Says in the film which matrix it is; an untagged source stays untagged, so that players guess the same."""
        if self._matrix != _UNKNOWN:
            encoder.colorspace = self._matrix
        if self._primaries is not None and self._transfer is not None:
            encoder.color_primaries, encoder.color_trc = self._primaries, self._transfer
        encoder.color_range = 1

    def convert(
        self, scaler: VideoReformatter, picture: NDArray[np.uint8] | av.VideoFrame, size: tuple[int, int], form: str
    ) -> av.VideoFrame:
        """The picture at a size and in a pixel format, as a frame of its own."""
        if isinstance(picture, np.ndarray):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        to_yuv = picture.format.is_rgb and not form.startswith(("rgb", "bgr", "gbr"))
        return scaler.reformat(
            picture,
            *size,
            form,
            dst_colorspace=self._wanted() if to_yuv else None,
            dst_color_range=None if form.startswith(("rgb", "bgr", "gbr")) else _LIMITED,
            interpolation=scaling_flags(),
            threads=1,
        )

    def _wanted(self) -> int:
        if self._matrix == _BT709:
            return int(Colorspace.ITU709)
        return int(Colorspace.BT2020) if self._matrix in _BT2020 else int(Colorspace.ITU601)
