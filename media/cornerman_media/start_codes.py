"""Where another codec begins in the packets of MPEG-TS, by its start codes: broadcasts change it on the way."""

from __future__ import annotations

from typing import Final

SAME: Final = {"h264": "h264", "hevc": "hevc", "mpeg2video": "mpeg2video", "mpeg1video": "mpeg2video"}
"""Codecs that are told apart; one decoder reads both MPEG-1 and MPEG-2."""

DELIMITER_BYTES: Final = 16
"""Before its parameters, a codec may give a delimiter."""

_START: Final = b"\0\0\1"
_SEQUENCE: Final = 0xB3  # ISO/IEC 13818-2, table 6-1
_H264_SPS: Final = (0x67, 0x47, 0x27)  # ITU-T H.264, table 7-1: type 7, by importance
_HEVC_SETS: Final = (0x40, 0x42, 0x44)  # ITU-T H.265, table 7-1: VPS, SPS and PPS of layer 0
_H264_PROFILES: Final = (66, 77, 88, 100, 110, 122, 244)


def change_in(data: bytes, codec: str) -> tuple[int, str] | None:
    """Where the parameters of another codec begin, and which; None = there are none.

    The packet at the change may hold the last picture of the one and the first of the other.

    Args:
        data: a packet with a key frame.
        codec: in force so far, a value of `SAME`.

    >>> change_in(bytes.fromhex("00000109f0000001674200"), "mpeg2video")
    (5, 'h264')
    """
    at = data.find(_START)
    while 0 <= at < len(data) - 4:
        found = _begun(data[at + 3], data[at + 4], sure=at <= DELIMITER_BYTES or codec != "mpeg2video")
        if found == codec:
            return None
        if found:
            return at, found
        at = data.find(_START, at + 3)
    return None


def _begun(code: int, following: int, *, sure: bool) -> str:
    """The codec that this start code begins; "" = none. Slices of MPEG-2 have any code, up to the number of rows."""
    if code == _SEQUENCE:
        return "mpeg2video"
    if code in _HEVC_SETS and following == 1:
        return "hevc"
    if code in (_H264_SPS if sure else _H264_SPS[:1]) and following in _H264_PROFILES:
        return "h264"
    return ""
