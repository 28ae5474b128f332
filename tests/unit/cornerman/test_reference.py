"""cornerman.yaml says every setting with its default, and says it as the code does."""

from pathlib import Path

import pytest
import yaml

from cornerman.reference import reference
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import Settings, load_settings

FILE = Path(__file__).parents[3] / "cornerman.yaml"


def test_the_file_is_what_the_settings_tree_says() -> None:
    assert FILE.read_text(encoding="utf-8") == reference(), "run `make reference`"


def test_reading_the_file_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    defaults = load_settings()
    monkeypatch.setenv("CORNERMAN_CONFIG", str(FILE))
    assert load_settings() == defaults


def uncommented() -> str:
    """The file with every setting taken in."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    start = lines.index("# redis:")
    return "\n".join(line[2:] for line in lines[start:] if line.startswith("# "))


def test_every_section_and_setting_is_there() -> None:
    tree = yaml.safe_load(uncommented())
    (example,) = tree.pop("sources")
    defaults = Settings.model_construct().model_dump(mode="json")
    assert defaults.pop("sources") == []
    assert tree == defaults
    SourceSpec.model_validate(example)


def test_taking_in_one_setting_changes_that_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = FILE.read_text(encoding="utf-8").replace("# encoder:", "encoder:").replace("#   batch: 4", "  batch: 7")
    (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("CORNERMAN_CONFIG", str(tmp_path / "own.yaml"))
    settings = load_settings()
    assert settings.encoder.batch == 7
    assert settings.encoder.model_copy(update={"batch": 4}) == Settings.model_construct().encoder


def test_a_setting_is_told_with_its_meaning_and_range() -> None:
    text = reference()
    assert "##   chunks encoded together when they are waiting; from 1 to 64\n#   batch: 4\n" in text
    assert "##   the least to write; one of debug, info, warning, error\n#   level: info\n" in text


def test_every_setting_says_what_it_is() -> None:
    silent = [
        f"{section}.{name}"
        for section, of in Settings.model_fields.items()
        if section != "sources"
        for name, info in type(of.default).model_fields.items()
        if not info.description
    ]
    assert silent == []


UNITS = ("_s", "_ms", "_bytes", "_fps", "_ttl_s")
WITHOUT_UNIT = {
    *("redis.shards", "bus.max_deliveries", "bus.maxlen", "bus.feedback_maxlen", "bus.dead_maxlen"),
    *("capture.max_sources", "capture.display_quality", "capture.display_ring", "encoder.batch", "encoder.threads"),
    *("encoder.fake_crash_rate", "decider.max_held", "generator.concurrency", "generator.threads", "gateway.port"),
    *("gateway.client_queue", "gateway.writes_per_minute", "runtime.metrics_port", "watch.overlap", "watch.credit"),
    *("speak.every_chunks", "speak.motion_threshold", "speak.motion_release", "speak.confidence_threshold"),
    *("speak.context_chunks", "say.max_new_tokens", "say.temperature", "say.top_p", "say.repetition_penalty"),
}
"""Counts, shares and numbers of nature."""


def test_every_measure_has_its_unit_in_its_name_or_its_meaning() -> None:
    bare = [
        f"{section}.{name}"
        for section, of in Settings.model_fields.items()
        if section != "sources"
        for name, info in type(of.default).model_fields.items()
        if type(getattr(of.default, name)) in (int, float)
        and not name.endswith(UNITS)
        and not (info.description or "").startswith(("pixels", "mean grey levels", "strategy scene: mean grey levels"))
    ]
    assert set(bare) == WITHOUT_UNIT


def test_no_line_is_too_long_to_read() -> None:
    assert max(len(line) for line in reference().splitlines()) <= 140
