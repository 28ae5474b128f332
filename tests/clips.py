"""The start of the bundled clip, for tests that need a real video but not all of it."""

from __future__ import annotations

from pathlib import Path

import av

from cornerman.local.demo_clip import ASSETS

SHORT_S = 24.0
"""Of the bundled clip: two exercises with a mistake each, then praise."""


def write_start(path: Path, seconds: float = SHORT_S) -> Path:
    """Copies the first `seconds` of the bundled clip to `path`, packet by packet, without decoding."""
    with av.open(str(ASSETS / "demo.mp4")) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        written = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is None or packet.time_base is None or packet.dts * packet.time_base >= seconds:
                break
            packet.stream = written
            target.mux(packet)
    return path
