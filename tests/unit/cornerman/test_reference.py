"""cornerman.yaml: every setting with its default, as the code has it."""

from pathlib import Path

import pytest
import yaml

from cornerman.reference import reference
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import Settings, load_settings

FILE = Path(__file__).parents[3] / "cornerman.yaml"


def test_file_equals_the_reference() -> None:
    assert FILE.read_text(encoding="utf-8") == reference(), "run `make reference`"


def test_file_changes_no_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    defaults = load_settings()
    monkeypatch.setenv("CORNERMAN_CONFIG", str(FILE))
    assert load_settings() == defaults


def uncommented() -> str:
    """The file with every setting uncommented."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    start = lines.index("# redis:")
    return "\n".join(line[2:] for line in lines[start:] if line.startswith("# "))


def test_file_has_every_setting() -> None:
    tree = yaml.safe_load(uncommented())
    (example,) = tree.pop("sources")
    defaults = Settings.model_construct().model_dump(mode="json")
    assert defaults.pop("sources") == []
    assert tree == defaults
    SourceSpec.model_validate(example)


def test_uncommented_setting_takes_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = FILE.read_text(encoding="utf-8").replace("# encoder:", "encoder:").replace("#   batch: 4", "  batch: 7")
    (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("CORNERMAN_CONFIG", str(tmp_path / "own.yaml"))
    settings = load_settings()
    assert settings.encoder.batch == 7
    assert settings.encoder.model_copy(update={"batch": 4}) == Settings.model_construct().encoder


def test_setting_has_meaning_and_range() -> None:
    text = reference()
    assert "##   chunks encoded together when they are waiting; from 1 to 64\n#   batch: 4\n" in text
    assert "##   the least to write; one of debug, info, warning, error\n#   level: info\n" in text


def test_every_setting_has_a_description() -> None:
    missing = [
        f"{section}.{name}"
        for section, of in Settings.model_fields.items()
        if section != "sources"
        for name, info in type(of.default).model_fields.items()
        if not info.description
    ]
    assert missing == []


UNITS = ("_s", "_ms", "_bytes", "_fps", "_ttl_s", "_chars")
WITHOUT_UNIT = {
    *("gateway.max_connections", "gateway.max_connections_per_client", "gateway.guesses_per_minute"),
    *("redis.shards", "redis.full_at", "bus.max_deliveries", "bus.maxlen", "bus.feedback_maxlen", "bus.dead_maxlen"),
    *("capture.max_sources", "capture.display_quality", "capture.display_ring", "encoder.batch", "encoder.threads"),
    *("encoder.fake_crash_rate", "encoder.fake_hang_at", "generator.echo_hang_at", "decider.max_held"),
    *("decider.max_questions", "record.keep", "record.queue", "bus.frames_quality", "gateway.delay_alpha"),
    *("generator.max_input_tokens", "generator.image_slices"),
    *("generator.concurrency", "generator.threads", "gateway.port"),
    *(
        "generator.retries",
        "generator.max_images",
        "generator.image_slices",
        "generator.max_input_tokens",
        "gateway.delay_alpha",
        "bus.frames_quality",
        "generator.price_input",
        "generator.price_output",
    ),
    *("gateway.client_queue", "gateway.writes_per_minute", "runtime.metrics_port", "watch.overlap", "watch.credit"),
    *("watch.frames", "watch.stride"),
    *("speak.every_chunks", "speak.motion_threshold", "speak.motion_release", "speak.confidence_threshold"),
    *("speak.still_motion", "gateway.delay_alpha", "bus.frames_quality"),
    *("generator.image_slices", "generator.max_input_tokens"),
    *("speak.context_chunks", "say.max_new_tokens", "say.temperature", "say.top_p", "say.repetition_penalty"),
}
"""Counts, shares and pure numbers."""


def test_every_number_has_a_unit() -> None:
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


def test_lines_are_short() -> None:
    assert max(len(line) for line in reference().splitlines()) <= 140
