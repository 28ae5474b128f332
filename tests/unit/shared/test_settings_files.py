"""Settings that cannot be read: one sentence with the place and the remedy, and exit 78 before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from cornerman.cli import invoke
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.files import MAX_BYTES, read_settings_file
from cornerman_shared.settings.tree import load_settings

SOURCES = 'sources:\n- {source_id: a, url: "rtsp://u:s3cret@h/a"}\n- {source_id: a, url: "test://pattern"}\n'
BAD = {
    "tab": (b"redis:\n\tshards: 1\n", "line 2: a tab; indent with spaces"),
    "tab after spaces": (b"redis:\n  shards: 1\n \t data_dir: x\n", "line 3: a tab; indent with spaces"),
    "tab in a value": (b"speak:\n  gap_s:\t- 3\n", "line 2"),
    "UTF-16": ("redis:\n  shards: 1\n".encode("utf-16"), "not UTF-8 but UTF-16 or UTF-32; save it as UTF-8"),
    "UTF-16 without mark": ("redis:\n  shards: 1\n".encode("utf-16-le"), "save it as UTF-8"),
    "UTF-32": ("redis:\n  shards: 1\n".encode("utf-32"), "save it as UTF-8"),
    "Latin-1": ("say:\n  prompt: Fällt\n".encode("latin-1"), "line 2: byte 0xe4 is not UTF-8; save it as UTF-8"),
    "control character": (b"say:\n  prompt: \x01\n", "not YAML"),
    "list": (b"- a\n", "a list, not sections with settings"),
    "text": (b"hello", "a str, not sections with settings"),
    "number as a name": (b"1: 2\n", "1 is not the name of a section"),
    "word as a name": (b"on: 2\n", "True is not the name of a section"),
    "empty section": (b"redis:\nspeak:\n  gap_s: 1\n", "section 'redis' is empty; give a setting in it, or remove it"),
    "empty value": (b"redis:\n  shards:\n", "redis.shards has no value; give one, or remove it"),
    "value for a section": (b"redis: 3\n", "redis = '3' is not a section"),
    "section twice": (b"redis:\n  shards: 1\nredis:\n  shards: 2\n", "line 3: 'redis' is given twice; keep one"),
    "setting twice": (b"redis:\n  shards: 1\n  shards: 2\n", "line 3: 'shards' is given twice; keep one"),
    "object": (b"redis: !!python/object/apply:os.getcwd []\n", "line 1: not YAML"),
    "value not of its tag": (b"redis: !!bool x\n", "line 1: not YAML (the value 'x' is not of its type 'bool')"),
    "empty number": (b'redis: {shards: !!int ""}\n', "is not of its type 'int'"),
    "no date": (b"redis: {shards: !!timestamp x}\n", "is not of its type 'timestamp'"),
    "brackets without end": (b"redis: " + b"[" * 20_000, "more than 50 brackets deep"),
    "number without end": (b"redis: {shards: 0x" + b"f" * 5_000 + b"}\n", "redis.shards = a int too large to show"),
    "name with control characters": (b'redis: {"\\e]52;c;eA==\\a": 1}\n', "redis.]52;c;eA==: unknown setting"),
    "open quote": (b'say:\n  prompt: "x\n', "not YAML"),
    "unknown alias": (b"say: *x\n", "line 1: not YAML"),
    "two documents": (b"say:\n  prompt: x\n---\nsay:\n  prompt: y\n", "line 3: not YAML"),
    "duplicate id": (SOURCES.encode(), "sources: two sources have the id 'a'; give each an id of its own"),
    "unknown name": (b"redis:\n  shard: 1\n", "redis.shard: unknown setting"),
    "unknown section": (b"redi:\n  shards: 1\n", "redi: unknown setting"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_file_is_one_sentence(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, message = BAD[name]
    path = tmp_path / "bad.yaml"
    path.write_bytes(data)
    monkeypatch.setenv("CORNERMAN_CONFIG", str(path))
    assert invoke(["run", "test://pattern", "--config", str(path), "--redis", "redis://127.0.0.1:1"]) == 78
    out, err = capsys.readouterr()
    assert out == "" and message in err and "s3cret" not in err
    assert len(err.strip().splitlines()) == 1 and "\x1b" not in err


@pytest.mark.parametrize("data", [b"", b"# nothing\n", b"\xef\xbb\xbfredis:\n  shards: 1\n", b"{}", b"---\n"])
def test_plain_file_is_read(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_bytes(data)
    assert read_settings_file(path) in ({}, {"redis": {"shards": 1}})


def test_anchors_and_merges_are_read(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text("say: &a\n  prompt: x\nspeak:\n  <<: {gap_s: 1}\n  max_age_s: 2\n")
    assert read_settings_file(path)["speak"] == {"gap_s": 1, "max_age_s": 2}


def test_large_or_locked_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="bytes are no settings file"):
        read_settings_file(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_settings_file(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("CORNERMAN_SOURCES", '[{"source_id": ', "CORNERMAN_SOURCES: not JSON"),
        ("CORNERMAN_ENCODER", "{x", "CORNERMAN_ENCODER: not JSON"),
        ("CORNERMAN_REDIS", '{"url": "redis://:s3cret@h"', "CORNERMAN_REDIS: not JSON"),
        ("CORNERMAN_GATEWAY__TRUSTED_PROXIES", "10.0.0.1,10.0.0.2", "CORNERMAN_GATEWAY__TRUSTED_PROXIES: not JSON"),
        ("CORNERMAN_REDIS__SHARDS", "many", "redis.shards = 'many'"),
        ("CORNERMAN_ENCODER", "3", "encoder"),
        ("CORNERMAN_SOURCES", '{"a": 1}', "sources"),
        ("CORNERMAN_ENCODER__BACH", "3", "encoder.bach: unknown setting"),
        (
            "CORNERMAN_ENCODR__BATCH",
            "3",
            "unknown section 'encodr' of settings; did you mean CORNERMAN_ENCODER__BATCH?",
        ),
        ("cornerman_encodr__batch", "3", "did you mean CORNERMAN_ENCODER__BATCH?"),
        (
            "CORNERMAN_FOO__BAR",
            "s3cret",
            "CORNERMAN_FOO__BAR: unknown section 'foo' of settings; there are redis",
        ),
    ],
)
def test_bad_variable_is_named(name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert message in str(caught.value) and "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)
