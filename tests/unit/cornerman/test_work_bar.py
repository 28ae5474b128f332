"""Progress of long work: on the terminal of stderr, and nowhere else."""

from __future__ import annotations

import io
import sys

import pytest

from cornerman.local.work_bar import WorkBar


class Terminal(io.StringIO):
    """A stderr that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def drawn(monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO, quiet: bool = False) -> str:
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setenv("TERM", "xterm")
    with WorkBar("teaching raise", quiet=quiet) as bar:
        bar.show("looking at good.mp4", 0, 10.0)
        bar.count(2, 3, "clips")
    return stderr.getvalue()


def test_terminal_shows_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "teaching raise" in (shown := drawn(monkeypatch, Terminal()))
    assert "2 of 3 clips" in shown


def test_bar_is_silent_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(monkeypatch, io.StringIO()) == ""
    assert drawn(monkeypatch, Terminal(), quiet=True) == ""
