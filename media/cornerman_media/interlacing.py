"""Interlaced frames as whole pictures: FFmpeg's yadif, one frame at a time, so that counts and times stay as they are.

A frame of interlaced video holds two moments, every other line each, and moving edges come out as combs.
"""

from __future__ import annotations

from typing import Final

import av
import av.error

from cornerman_media.filtering import filtered

_YADIF: Final = ("yadif", "mode=send_frame:parity=auto:deint=all")


def progressive(frame: av.VideoFrame) -> av.VideoFrame:
    """The frame's first field, with the lines between made from it; frames of one moment are returned unchanged.

    So is one that FFmpeg cannot filter: of fewer than three lines, or in a format of a hardware decoder.
    """
    if not frame.interlaced_frame:
        return frame
    try:
        return filtered(frame, _YADIF)
    except (av.error.FFmpegError, ValueError):
        return frame
