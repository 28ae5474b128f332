"""Placement on this machine, with its memory as the test says."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog.testing
import torch
from safetensors.torch import save_file

from cornerman_common import model_placement
from cornerman_common.model_placement import free_memory, load_failure, place_model
from cornerman_shared.errors import ConfigError

MIB = 2**20


@pytest.fixture
def model(tmp_path: Path) -> str:
    """100 MiB in float32."""
    save_file({"model.layers.0.weight": torch.zeros(26 * MIB // 1024, 1024)}, tmp_path / "model.safetensors")
    return str(tmp_path)


def with_free(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(model_placement, "free_memory", lambda device: {"cpu": count})


def test_model_is_made_to_fit_and_says_so(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_free(monkeypatch, 290 * MIB)
    with structlog.testing.capture_logs() as logs:
        placed = place_model("encoder", model, device="cpu", dtype="auto")
    assert (placed.device.type, placed.dtype, placed.words) == ("cpu", torch.bfloat16, "bfloat16 on cpu")
    (entry,) = logs
    assert (entry["event"], entry["placement"]) == ("model_made_to_fit", "bfloat16 on cpu")
    assert "float32 on cpu needs 0.3 GiB" in entry["reason"]


def test_set_values_are_not_changed(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_free(monkeypatch, 290 * MIB)
    with pytest.raises(ConfigError, match=r"generator\.dtype=bfloat16"):
        place_model("generator", model, device="cpu", dtype="float32", quantize="none")


def test_unsized_model_is_placed_as_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_free(monkeypatch, 0)
    placed = place_model("generator", str(tmp_path), device="cpu", dtype="auto", quantize="auto")
    assert (placed.dtype, placed.quantize, placed.why) == (torch.float32, "none", "")


def test_container_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_placement, "CGROUP", tmp_path)
    whole = free_memory(torch.device("cpu"))["cpu"]
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("900000\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 50000\n")
    assert free_memory(torch.device("cpu"))["cpu"] == 150_000 < whole
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory(torch.device("cpu"))["cpu"] > 1_000_000


def test_failure_for_want_of_memory_names_settings() -> None:
    error = load_failure("generator", "m", torch.OutOfMemoryError("CUDA out of memory"))
    assert "generator.dtype=bfloat16" in str(error) and "generator.quantize=int8" in str(error)
    assert "dtype" not in str(load_failure("encoder", "m", ValueError("no weights")))


def test_limit_of_older_containers_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control groups of version 1, with the caches of the groups below."""
    monkeypatch.setattr(model_placement, "CGROUP", tmp_path)
    folder = tmp_path / "memory"
    folder.mkdir()
    (folder / "memory.limit_in_bytes").write_text("1000000\n")
    (folder / "memory.usage_in_bytes").write_text("900000\n")
    (folder / "memory.stat").write_text("inactive_file 10\ntotal_inactive_file 200000\n")
    assert free_memory(torch.device("cpu"))["cpu"] == 300_000
