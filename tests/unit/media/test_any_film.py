"""Random films: whatever the container, codec, rate, times, turn, shape and tracks, frames and times come out equal."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, note, settings

from cornerman_media.length import length_s
from cornerman_media.rewriting import rewrite
from tests.unit.media.any_film import Case, cases, shown
from tests.unit.media.films import write
from tests.unit.media.reading import read, read_and_measure


@given(cases())
@settings(max_examples=60)
def test_any_film_keeps_frames_and_times(case: Case) -> None:
    film = case.film
    note(f"{case.suffix} {film} {case.start_s}")
    with TemporaryDirectory() as name:
        path, copy = write(Path(name) / f"film.{case.suffix}", film), Path(name) / "copy.mp4"
        found = read_and_measure(path)
        times = [at - film.times_s[0] for at in film.times_s]
        assert found.numbers == list(range(len(times)))
        assert found.times_s == pytest.approx(times, abs=0.0012)
        assert found.upright
        assert found.size == shown(film)
        assert (found.broken, found.cut_short) == (0, "")
        assert found.start_s == pytest.approx(case.start_s, abs=0.07)  # AAC begins a packet before 0
        assert length_s(path) == pytest.approx(found.end_s, abs=1e-6)
        assert found.end_s >= times[-1]
        written = rewrite(path, copy, lambda _: None)
        again = read(copy)
        assert (again.numbers, written.frames) == (found.numbers, len(times))
        assert again.times_s == pytest.approx(found.times_s, abs=1e-4)
        assert again.start_s == pytest.approx(found.start_s, abs=1e-3)
        assert again.size == tuple(side // 2 * 2 for side in found.size)
        assert again.upright and again.cut_short == ""
