"""An error names the option that was typed, not the setting that it gives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cornerman.cli import invoke
from cornerman.option_names import SWITCHES, WITH_VALUE, in_typed_words
from cornerman_shared.settings.tree import Settings

ROOT = Path(__file__).parents[3] / "cornerman"


@pytest.mark.parametrize(
    ("line", "message", "expected"),
    [
        (
            "--num-frames 12",
            "watch.frames = 12 of a poll; give watch.frames=8",
            "--num-frames 12 of a poll; give --num-frames 8",
        ),
        ("--num-frames=12", "watch.frames = 12", "--num-frames 12"),
        ("--fps 3", "watch.frames = 12", "watch.frames = 12"),
        ("--set watch.frames=12 --num-frames 9", "watch.frames = 12", "watch.frames = 12"),
        ("--set=watch.frames=12 --num-frames 9", "watch.frames = 12", "watch.frames = 12"),
        ("--model tiny", "generator.model is empty", "--model is empty"),
        ("--model tiny", "generator.model_dir, my.generator.model", "generator.model_dir, my.generator.model"),
        ("--window 2", "give a smaller watch.window_s.", "give a smaller --window."),
        ("--lossless", "set watch.lossless = false", "set watch.lossless (--lossless) = false"),
    ],
)
def test_settings_become_typed_options(line: str, message: str, expected: str) -> None:
    assert in_typed_words(message, line.split()) == expected


def test_every_option_with_a_setting_is_known() -> None:
    """Each keyword `section__name=` of the commands has an option here, and each setting here exists."""
    given = {
        f"{section}.{name}"
        for path in (*(ROOT / "commands").glob("*.py"), ROOT / "local" / "poll_settings.py")
        for section, name in re.findall(
            r"^\s+([a-z]+)__([a-z_]+)=(?!True|False|not )", path.read_text("utf-8"), re.MULTILINE
        )
    }
    known = {setting for settings in WITH_VALUE.values() for setting in settings} | set(SWITCHES.values())
    assert given <= known
    for setting in known:
        section, name = setting.split(".")
        kind = Settings.model_fields[section].annotation
        assert kind is not None and name in kind.model_fields, setting


@pytest.mark.parametrize(
    ("line", "typed"),
    [
        ("poll test://pattern --num-frames 12", "--num-frames 12"),
        ("poll test://pattern --num-frames 64 --window 0.2 --generator openai --base-model x", "--num-frames 64"),
        ("run test://pattern --encoder nothing", "--encoder 'nothing'"),
        ("run test://pattern --generator nothing", "--generator 'nothing'"),
        ("comment test://pattern --generator openai", "--generator"),
    ],
)
def test_command_names_what_was_typed(
    line: str, typed: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke(line.split()) == 78
    assert typed in capsys.readouterr().err
