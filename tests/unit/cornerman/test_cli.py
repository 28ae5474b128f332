"""The command line: help, wrong usage, exit codes, and errors as one sentence."""

from pathlib import Path

import pytest
import typer

from cornerman import __version__
from cornerman.cli import build_app, invoke
from cornerman.command_table import COMMANDS
from cornerman.local import running_server, training_tools
from cornerman.local.options import command_settings
from cornerman_shared.errors import ConfigError


@pytest.fixture(autouse=True)
def _private_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CORNERMAN_RUNTIME__DIR", str(tmp_path / "run"))
    monkeypatch.setenv("COLUMNS", "200")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["--help"]) == 0
    shown = capsys.readouterr().out
    assert [name for name in COMMANDS if f" {name} " not in shown] == []


def test_table_repeats_each_commands_help() -> None:
    every = build_app(arguments=["--help"], completes=True)
    group = typer.main.get_group(every)
    helps = {name: (command.help or "").split("\n\n")[0] for name, command in group.commands.items()}
    assert {name: " ".join(text.split()) for name, text in helps.items()} == {
        name: entry.help for name, entry in COMMANDS.items()
    }


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ("gym", "train")])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke([command, "--help"]) == 0
    assert "Usage:" in capsys.readouterr().out


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["--version"]) == 0
    assert capsys.readouterr().out == f"cornerman {__version__}\n"


@pytest.mark.parametrize("line", [["run", "--nope"], ["nope"], ["sources", "set"], ["run", "--seconds", "soon"]])
def test_wrong_usage_exits_with_64(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(line) == 64
    assert capsys.readouterr().err.startswith("cornerman: ")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (["run"], "no source: give a video file"),
        (["run", "test://pattern", "test://pattern", "--id", "x"], "names one source, but 2 are given"),
        (["run", "test://pattern", "--id", "a/b"], "source_id"),
        (["run", "test://pattern", "--set", "encoder.batch=0"], "encoder.batch = 0"),
        (["run", "test://pattern", "--set", "encoder.bach=1"], "unknown setting"),
        (["run", "test://pattern", "--config", "nope.yaml"], "there is no such file"),
        (["run", "test://pattern", "--config", "/"], "it is not a file"),
        (["run", "test://pattern", "--set", "speak.interval_s=inf"], "speak.interval_s = 'inf'"),
        (["run", "test://pattern", "--set", "watch.give_up_s=1e999"], "watch.give_up_s = '1e999'"),
        (["run", "test://pattern", "--set", "capture.stall_s=inf"], "capture.stall_s = 'inf'"),
        (["up", "--only", "nope"], "there is no such service"),
        (["comment", "test://pattern", "--profile", "nope"], "there is no such profile"),
        (["poll", "test://pattern", "--num-frames", "12"], "--num-frames 12 of a poll"),
        (["poll", "test://pattern", "--benchmark", "--intervals", "1,soon"], "--intervals '1,soon'"),
        (["dlq", "replay", "--redis", "nope"], "--redis 'nope'"),
        (["watch", "--since", "yesterday"], "--since 'yesterday' is not the id of an event"),
    ],
)
def test_wrong_setting_exits_with_78(line: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(line) == 78
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("nope.mp4", "there is no such file"),
        ("file:///nope.mp4", "there is no such file"),
        (".", "is a folder"),
        ("-", "standard input cannot be watched"),
        ("/dev/null", "is neither a file nor a camera"),
        ("ftp://host/a.mp4", "ftp:// is not known"),
        ("rtsp://", "names no host"),
        ("rtsp://cam:port/1", "is not a URL"),
        ("test://nosuch", "unknown test source"),
        ("test://pattern?secnds=5", "there is no option 'secnds'"),
    ],
)
@pytest.mark.parametrize("command", ["run", "annotate", "comment", "poll", "evaluate"])
def test_wrong_source_exits_with_66(
    command: str, source: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`run` said 78 and `annotate` 66 to the same missing file."""
    assert invoke([command, source]) == 66
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(("text", "sentence"), [("", "the file is empty"), ("a film of words", "not a video")])
@pytest.mark.parametrize("command", ["run", "comment", "poll", "transcribe"])
def test_unreadable_file_starts_no_process(
    command: str, text: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Five processes were started to say so."""
    film = tmp_path / "film.mp4"
    film.write_text(text)
    assert invoke([command, str(film)]) == 66
    out, err = capsys.readouterr()
    assert out == "" and sentence in err and len(err.strip().splitlines()) == 1


def test_missing_server_exits_with_69(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["status", "--redis", f"unix://{tmp_path}/none.sock"]) == 69
    assert "cornerman up" in capsys.readouterr().err


def test_errors_hide_passwords(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_server, "SERVER_S", 0.1)
    assert invoke(["status", "--redis", "redis://me:hunter2@127.0.0.1:1/0"]) == 69
    assert "hunter2" not in "".join(capsys.readouterr())


def test_set_overrides_presets() -> None:
    chosen = command_settings(
        "", "redis://x", ["speak.interval_s=7"], {"speak": {"strategy": "interval", "interval_s": 1}}
    )
    assert (chosen.settings.redis.url, chosen.settings.speak.strategy) == ("redis://x", "interval")
    assert chosen.settings.speak.interval_s == 7


def test_refusal_names_presets_that_fit(capsys: pytest.CaptureFixture[str]) -> None:
    """The bundled model reads 8 frames, `sentry` has 4: its users were told a number only."""
    model = ("--set", "encoder.backend=mobile_videogpt", "--set", "generator.backend=echo")
    assert invoke(["comment", "test://pattern", "--preset", "sentry", *model]) == 78
    said = capsys.readouterr().err
    assert "--preset sentry does not suit the models: watch.frames = 4" in said
    assert said.rstrip().endswith("; or give --preset owl")


def test_absent_options_change_nothing() -> None:
    assert command_settings(speak__strategy=None).overrides == {}


def test_missing_train_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_tools, "NEEDS", ("surely_not_installed",))
    with pytest.raises(ConfigError, match=r"needs surely_not_installed: pip install 'cornerman\[model,train\]'"):
        training_tools.run_tool("cornerman_training.gym", [], "cornerman gym")


@pytest.mark.parametrize("command", ["gym", "train"])
def test_training_commands_have_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("numba")
    assert invoke([command, "--help"]) == 0
    assert "usage:" in capsys.readouterr().out


def fake_training(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str) -> None:
    package = tmp_path / "fake_training"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(program)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(training_tools, "NEEDS", ())
    monkeypatch.setattr("sys.argv", ["x"])


def test_wrong_training_arguments_exit_with_64(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_training(monkeypatch, tmp_path, "import argparse\nargparse.ArgumentParser().parse_args()\n")
    with pytest.raises(typer.Exit) as caught:
        training_tools.run_tool("fake_training", ["--what"], "cornerman gym")
    assert caught.value.exit_code == 64


def test_unwritable_training_folder_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`train --out /proc/x` ended with a traceback."""
    fake_training(monkeypatch, tmp_path, "open('/nowhere/at/all', 'w')\n")
    with pytest.raises(ConfigError, match=r"cornerman train.*/nowhere/at/all: No such file or directory; give another"):
        training_tools.run_tool("fake_training", [], "cornerman train")


def test_training_passes_arguments_and_exit_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_training(monkeypatch, tmp_path, "import sys\nprint(sys.argv)\nsys.exit(3)\n")
    with pytest.raises(typer.Exit) as caught:
        training_tools.run_tool("fake_training", ["--deep", "7"], "cornerman gym")
    assert caught.value.exit_code == 3
    assert "['cornerman gym', '--deep', '7']" in capsys.readouterr().out
