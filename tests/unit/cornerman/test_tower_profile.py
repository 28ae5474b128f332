"""The profile of a model's parts."""

from __future__ import annotations

import json

import pytest

from cornerman.cli import invoke


def test_every_part_is_timed(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["bench", "towers", "--runs", "1", "--device", "cpu", "--json"]) == 0
    parts = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [part["part"] for part in parts] == [
        *("pixels", "image_tower", "video_tower", "projectors", "first_token", "next_token")
    ]
    assert all(part["mean_ms"] > 0 for part in parts)
    assert all(part["devices"].keys() == {"cpu"} and part["dtypes"].keys() == {"float32"} for part in parts[1:])
    assert parts[0]["parameters"] == 0


@pytest.mark.parametrize(
    ("option", "value", "told"), [("--dtype", "int3", "--dtype 'int3'"), ("--base-model", "./nowhere", "no such file")]
)
def test_wrong_choice_is_told(option: str, value: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["bench", "towers", option, value]) == 78
    assert told in capsys.readouterr().err
