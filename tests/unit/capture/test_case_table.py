"""Inputs that went wrong, through the decoder of a source: every frame, its media time, and no false report."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.capture.decoders import plan, play, url_decoder
from tests.unit.media.cases import CASES, cover_art

EVERY_FRAME = 1000.0


@pytest.mark.parametrize("name", CASES)
async def test_case_is_captured_right(name: str, tmp_path: Path) -> None:
    make, right = CASES[name]
    decoder = url_decoder(str(make(tmp_path)), plan(sample_fps=EVERY_FRAME, overlap=0))
    chunks = await play(decoder)
    times = [time_s for chunk in chunks for time_s in chunk.frame_pts_s]
    assert (decoder.state.name, decoder.state.detail) == ("ended", "")
    assert decoder.chunker.captured == len(right.times_s)
    assert times == pytest.approx(right.times_s[: len(times)], abs=1e-4)
    assert len(right.times_s) - len(times) < 8, "the rest is too short for a chunk"
    width, height = right.size
    shown = chunks[0].frames[0].rgb.shape
    assert shown[0] / shown[1] == pytest.approx(height / width, abs=0.03)


async def test_cover_art_fails_with_reason(tmp_path: Path) -> None:
    decoder = url_decoder(str(cover_art(tmp_path)), plan())
    assert await play(decoder) == []
    assert decoder.state.name == "failed"
    assert "no video in it, only audio and a cover picture" in decoder.state.detail
