"""Weight files: shards, PyTorch files, damaged ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mobile_videogpt.errors import CheckpointError
from mobile_videogpt.modeling import MobileVideoGPT
from tests.unit.model.published import assert_holds, write_checkpoint


class _Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., None], tuple[Path]]:
        return Path.touch, (self.path,)


def test_lost_or_truncated_shard_is_named(published_folder: Path) -> None:
    shard = published_folder / "model-00002-of-00002.safetensors"
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match=shard.name):
        MobileVideoGPT.from_pretrained(published_folder, device="cpu")
    shard.unlink()
    with pytest.raises(CheckpointError, match=f"lacks shards .*{shard.name}"):
        MobileVideoGPT.from_pretrained(published_folder, device="cpu")


def test_file_with_code_is_not_run(tmp_path: Path, published_state: dict[str, Tensor]) -> None:
    write_checkpoint(tmp_path, published_state)
    for file in tmp_path.glob("model*"):
        file.unlink()
    marker = tmp_path / "ran"
    torch.save({"model.norm.weight": _Touch(marker)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"pytorch_model.bin cannot be read as a file of plain tensors"):
        MobileVideoGPT.from_pretrained(tmp_path, device="cpu")
    assert not marker.exists()


def test_pytorch_file_loads_like_safetensors(tmp_path: Path, published_state: dict[str, Tensor]) -> None:
    write_checkpoint(tmp_path, published_state)
    for file in tmp_path.glob("model*"):
        file.unlink()
    torch.save(published_state, tmp_path / "pytorch_model.bin")
    assert_holds(MobileVideoGPT.from_pretrained(tmp_path, device="cpu"), published_state)
