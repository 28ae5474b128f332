"""An MPEG-TS that changes its codec on the way plays on, in every way in."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from cornerman_media.length import length_s
from cornerman_media.reader import open_video
from cornerman_media.rewriting import rewrite
from tests.unit.media.films import Film, number_of, steady, write

FRAMES = 30
PARTS = {
    "h264": Film(steady(FRAMES), codec_options={"bf": "0"}),
    "hevc": Film(steady(FRAMES), codec="libx265", codec_options={"x265-params": "log-level=0:bframes=0"}),
    "mpeg2": Film(steady(FRAMES), codec="mpeg2video", tick=Fraction(1, 30), codec_options={"qmin": "2", "qmax": "2"}),
}


@pytest.mark.parametrize(
    "order", ["h264 hevc", "hevc h264", "h264 mpeg2", "mpeg2 h264", "hevc mpeg2", "h264 mpeg2 h264"]
)
def test_every_part_is_played(order: str, tmp_path: Path) -> None:
    """The first part was played, and the rest taken for damage: FFmpeg itself loses a picture at each change."""
    parts = order.split()
    path, copy = tmp_path / "film.ts", tmp_path / "copy.mp4"
    path.write_bytes(b"".join(write(tmp_path / f"{part}.ts", PARTS[part]).read_bytes() for part in parts))
    with open_video(path) as video:
        found = [(frame.time_s, number_of(frame.rgb())) for frame in video]
        assert (video.broken_packets, video.cut_short()) == (0, "")
        end_s = video.end_s
    lost = len(parts) - 1
    assert len(parts) * FRAMES - lost - 1 <= len(found) <= len(parts) * FRAMES
    assert [number for _, number in found[-FRAMES + 2 :]] == list(range(2, FRAMES))
    assert all(0 < after - before < 0.11 for (before, _), (after, _) in pairwise(found))
    assert end_s == pytest.approx(len(parts) * FRAMES / 30, abs=0.11)
    assert length_s(path) == pytest.approx(end_s, abs=0.11)
    assert rewrite(path, copy, lambda _: None).frames == len(found)
