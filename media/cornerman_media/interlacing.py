"""Interlaced frames as whole pictures: FFmpeg's yadif, one frame at a time, so that counts and times stay as they are.

A frame of interlaced video holds two moments, every other line each, and moving edges come out as combs.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import av
import av.error
from av.filter import Graph

_ARGUMENTS: Final = "mode=send_frame:parity=auto:deint=all"
_TICK: Final = Fraction(1, 1000)


def progressive(frame: av.VideoFrame) -> av.VideoFrame:
    """The frame's first field, with the lines between made from it; frames of one moment are returned unchanged.

    So is one that FFmpeg cannot filter: of fewer than three lines, or in a format of a hardware decoder.
    """
    if not frame.interlaced_frame:
        return frame
    graph = Graph()
    try:
        source = graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format.name,
            time_base=frame.time_base or _TICK,
        )
        graph.link_nodes(source, graph.add("yadif", _ARGUMENTS), graph.add("buffersink")).configure()
        graph.vpush(frame)
        graph.vpush(None)  # without neighbours it must not wait for them
        whole = graph.vpull()
    except (av.error.FFmpegError, ValueError):
        return frame
    whole.pts, whole.time_base = frame.pts, frame.time_base  # yadif counts fields
    return whole
