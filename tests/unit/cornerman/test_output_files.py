"""Files that are written in one step, or not at all."""

import os
from pathlib import Path

import pytest

from cornerman.local import output_files
from cornerman.local.output_files import check_target, write_whole
from cornerman_shared.errors import ConfigError, FatalError


@pytest.mark.parametrize("name", ["\N{CJK UNIFIED IDEOGRAPH-6DF1}" * 83 + ".vtt", "a" * 251 + ".srt"])
def test_longest_names_are_written(name: str, tmp_path: Path) -> None:
    check_target(tmp_path / name, "--output")
    write_whole(tmp_path / name, "words")
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [(name, "words")]


def test_too_long_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--output .*cannot be written \(File name too long\); give another"):
        check_target(tmp_path / ("a" * 256), "--output")


def test_closed_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(ConfigError, match="this user may not write there"):
        check_target(tmp_path / "words.vtt", "--output")


def test_disk_that_takes_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`annotate -o /proc/x.mp4` watched the whole video first."""

    def full(dir: Path) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(output_files, "TemporaryFile", full)
    with pytest.raises(ConfigError, match=r"words\.vtt' cannot be written \(Read-only file system\); give another"):
        check_target(tmp_path / "words.vtt", "--output")


def test_lost_folder_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="could not be written"):
        write_whole(tmp_path / "nowhere" / "words.vtt", "words")
    assert list(tmp_path.iterdir()) == []
