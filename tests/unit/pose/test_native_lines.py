"""Lines of native libraries on stderr while a net is loaded."""

from __future__ import annotations

import os

import pytest

from cornerman_pose.native_lines import without_info

LINES = b"WARNING: slow\nINFO: Created TensorFlow Lite XNNPACK delegate for CPU.\nERROR: no memory"


@pytest.mark.parametrize(
    ("terminal", "shown"), [(True, "WARNING: slow\nERROR: no memory"), (False, LINES.decode())], ids=["bar", "log"]
)
def test_terminal_shows_only_troubles(
    terminal: bool, shown: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The bar of `teach` was torn by what LiteRT says of itself."""
    monkeypatch.setattr(os, "isatty", lambda fd: terminal)
    with without_info():
        os.write(2, LINES)
    assert capfd.readouterr().err == shown


def test_error_inside_gives_the_terminal_back(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "isatty", lambda fd: True)
    with pytest.raises(ValueError, match="damaged"), without_info():
        os.write(2, b"ERROR: damaged\n")
        raise ValueError("damaged")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "ERROR: damaged\nafter\n"
