"""One frame through filters of FFmpeg, without its neighbours."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import av
from av.filter import Graph

_TICK: Final = Fraction(1, 1000)


def filtered(frame: av.VideoFrame, *steps: tuple[str, str]) -> av.VideoFrame:
    """The frame after filters, each a name and its arguments; with the time of the original.

    Raises:
        FFmpegError, ValueError: FFmpeg lacks a filter, or it cannot be applied to such a frame.
    """
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        time_base=frame.time_base or _TICK,
    )
    graph.link_nodes(source, *(graph.add(name, arguments) for name, arguments in steps), graph.add("buffersink"))
    graph.configure()
    graph.vpush(frame)
    graph.vpush(None)  # a filter that waits for the next frame must not
    result = graph.vpull()
    if frame.time_base:
        result.pts, result.time_base = frame.pts, frame.time_base
    return result
