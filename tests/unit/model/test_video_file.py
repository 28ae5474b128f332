"""Frames of a video file."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import torch

from mobile_videogpt.video_file import VideoError, spread_frames
from tests.unit.model.builders import write_video


def test_frames_span_first_to_last(tmp_path: Path) -> None:
    grey = spread_frames(write_video(tmp_path / "a.mp4", 31), 16).float().mean((1, 2, 3)) / 8
    assert torch.allclose(grey, torch.arange(0, 31, 2.0), atol=0.6)
    short = spread_frames(write_video(tmp_path / "b.mp4", 3), 8)
    assert short.shape == (8, 48, 64, 3)


def test_file_without_video_is_refused(tmp_path: Path) -> None:
    sound = tmp_path / "sound.wav"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        samples.rate = 8000
        container.mux(stream.encode(samples))
        container.mux(stream.encode(None))
    with pytest.raises(VideoError, match="no video stream"):
        spread_frames(sound, 8)
