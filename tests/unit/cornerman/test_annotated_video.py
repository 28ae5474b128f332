"""Captions: their times, and their drawing on a video."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from cornerman.local.annotated_video import draw_caption, write_annotated
from cornerman.local.captions import Caption, caption_at, captions, wrap
from cornerman_shared.errors import SourceError


def feedback(pts_s: float, text: str = "Lower your hips.", kind: str = "feedback") -> dict[str, Any]:
    return {"type": kind, "source_id": "a", "action": "correct", "pts_s": pts_s, "text": text}


def clip(path: Path, width: int = 161, height: int = 121, frames: int = 50) -> Path:
    """A grey video of odd size, 10 frames a second."""
    with av.open(str(path), "w") as writer:
        stream = writer.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = width // 2 * 2, height // 2 * 2, "yuv420p"
        for _ in range(frames):
            grey = np.full((stream.height, stream.width, 3), 128, np.uint8)
            writer.mux(stream.encode(av.VideoFrame.from_ndarray(grey, "rgb24")))
        writer.mux(stream.encode(None))
    return path


def test_caption_ends_at_the_next_one() -> None:
    known = captions([feedback(8.0, "word " * 10), feedback(1.0), feedback(10.0), feedback(2.0, kind="decision")])
    assert [(one.start_s, one.end_s) for one in known] == [(1.0, 3.0), (8.0, 10.0), (10.0, 12.0)]
    assert caption_at(known, 2.99) is known[0]
    assert caption_at(known, 3.0) is None
    assert caption_at(known, 10.0) is known[2]


def test_captions_of_one_moment_are_both_shown() -> None:
    """An answer and a correction about the same picture; a caption without a span would be lost."""
    known = captions([feedback(1.0, "One."), feedback(1.0, "Two."), feedback(1.0004, "Three."), feedback(2.5)])
    assert [(one.start_s, one.end_s) for one in known] == [(1.0, 2.5), (1.0, 2.5), (1.0004, 2.5), (2.5, 4.5)]
    shown = caption_at(known, 1.5)
    assert shown is not None and shown.text == "One. Two. Three."


def test_long_text_is_cut() -> None:
    assert wrap("one two three four five six", 9, most=2) == ["one two", "three …"]
    assert wrap("short", 20) == ["short"]


def test_caption_is_drawn_at_lower_edge() -> None:
    from PIL import Image

    before = Image.new("RGB", (320, 240), (128, 128, 128))
    after = np.asarray(draw_caption(before, Caption(0, 1, "correct", "Lower your hips.")))
    assert (after[:150] == 128).all()
    assert (after[200:, :, 0] > 200).any(), "no text"


def test_captions_appear_in_their_time(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    written = write_annotated(clip(tmp_path / "in.mp4"), target, [Caption(1.0, 3.0, "correct", "Lower your hips.")])
    assert written.frames == 50
    with av.open(str(target)) as reader:
        marked = [float(np.ptp(frame.to_ndarray(format="gray")[90:])) > 60 for frame in reader.decode(video=0)]
    assert marked == [False] * 10 + [True] * 20 + [False] * 20


def test_unreadable_video_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "no.mp4").write_text("not a video")
    with pytest.raises(SourceError, match=r"no\.mp4 could not be annotated"):
        write_annotated(tmp_path / "no.mp4", tmp_path / "out.mp4", [])
    assert [one.name for one in tmp_path.iterdir()] == ["no.mp4"]
