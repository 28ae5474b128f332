"""Random films through every way in: capture as in `run`, `annotate`, `transcribe`, lengths, frames for words."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, note, settings

from cornerman.cli import invoke
from cornerman.local.source_args import length_s
from cornerman_media.sampling import sampled, spread
from tests.unit.capture.decoders import plan, play, url_decoder
from tests.unit.media.any_film import Case, cases, shown
from tests.unit.media.films import number_of, write
from tests.unit.media.reading import read

EVERY_FRAME = 1000.0
MOST_FPS = 60.0
"""Most that a setting allows."""

AT_EVERY_CHUNK = [
    *("--encoder", "fake", "--generator", "echo", "--strategy", "interval", "--set", "speak.interval_s=0.001"),
    *("--set", "speak.min_interval_s=0", "--set", "speak.repeat_window_s=0", "--set", "watch.overlap=7"),
    *("--set", f"watch.sample_fps={MOST_FPS}"),
]
AFTER_S = 1000.0
"""A caption that no picture shows."""


async def captured(path: Path, sample_fps: float = EVERY_FRAME) -> tuple[list[float], int, str]:
    """Media times of the frames in chunks, all frames, and what was reported at the end, as `run` would."""
    decoder = url_decoder(str(path), plan(sample_fps=sample_fps, overlap=7))
    chunks = await play(decoder)
    times = [chunks[0].frame_pts_s, *((chunk.pts_s,) for chunk in chunks[1:])] if chunks else []
    detail = decoder.state.detail
    return [at for group in times for at in group], decoder.chunker.captured, detail


@given(cases())
@settings(max_examples=25)
def test_any_film_is_equal_everywhere(case: Case) -> None:
    film = case.film
    note(f"{case.suffix} {film} {case.start_s}")
    wanted = [at - film.times_s[0] for at in film.times_s]
    with TemporaryDirectory() as name:
        path, copy = write(Path(name) / f"film.{case.suffix}", film), Path(name) / "copy.mp4"
        times, frames, detail = asyncio.run(captured(path))
        assert frames == len(wanted)
        assert times == pytest.approx(wanted if len(wanted) >= 8 else [], abs=0.0012)
        assert detail == "" or detail.startswith("too short for a chunk")

        lines = Path(name) / "lines.jsonl"
        lines.write_text(json.dumps({"type": "feedback", "action": "correct", "pts_s": AFTER_S, "text": "Up."}) + "\n")
        assert invoke(["annotate", str(path), "-o", str(copy), "--from", str(lines)]) == 0
        again = read(copy)
        assert again.numbers == list(range(len(wanted)))
        assert again.times_s == pytest.approx(wanted, abs=0.0012)
        cue = re.search(r"^(\d+):(\d+):([\d.]+) -->", copy.with_suffix(".vtt").read_text(), re.MULTILINE)
        assert cue is not None
        hours, minutes, seconds = map(float, cue.groups())
        assert hours * 3600 + minutes * 60 + seconds == pytest.approx(AFTER_S + again.start_s, abs=2e-3)
        assert again.start_s == pytest.approx(case.start_s, abs=0.07)

        assert length_s(str(path)) == pytest.approx(length_s(str(copy)), abs=5e-3)  # two clocks of 1 ms

        words, seen = Path(name) / "words.jsonl", asyncio.run(captured(path, MOST_FPS))[0]
        assert invoke(["transcribe", str(path), "-o", str(words), *AT_EVERY_CHUNK]) == 0
        said = [json.loads(line) for line in words.read_text().splitlines()]
        assert [one["pts_s"] for one in said] == pytest.approx(seen[7:], abs=1e-3)
        assert all(one["start_s"] - one["pts_s"] == pytest.approx(again.start_s, abs=3e-3) for one in said)

        for_words = [(frame.time_s, frame.size, number_of(frame.rgb())) for frame in sampled(path, EVERY_FRAME)]
        assert [at for at, _, _ in for_words] == pytest.approx(wanted, abs=0.0012)
        assert [number for _, _, number in for_words] == again.numbers
        assert {size for _, size, _ in for_words} == {shown(film)}
        both = spread(path, 2)
        assert [number_of(picture) for picture in both] == [0, len(wanted) - 1]
