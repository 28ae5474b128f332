"""A model that does not fit says what would, and with `auto` is made to fit. Errors of memory are recognised."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from cornerman_common.memory_fit import ModelSize, Placement, choose_placement, estimate_bytes, model_size
from cornerman_shared.errors import ConfigError, is_out_of_memory

GIB = 2**30
SIZE = ModelSize(linear=2_000_000_000, other=300_000_000)
"""About a 2.3B model: 9.9 GiB in float32, 5.1 in bfloat16, 3.2 in 8 bits over bfloat16."""
NOTHING: frozenset[str] = frozenset()
ALL = frozenset({"dtype", "quantize", "device"})


@pytest.mark.parametrize(
    ("placement", "least", "most"),
    [
        (Placement("cpu", "float32"), 8.6, 10.6),
        (Placement("cuda", "bfloat16"), 4.3, 5.6),
        (Placement("cuda", "bfloat16", "int8"), 2.6, 3.6),
        (Placement("cuda", "bfloat16", "int4"), 1.7, 2.6),
    ],
)
def test_estimate_follows_size_and_dtype(placement: Placement, least: float, most: float) -> None:
    assert least * GIB < estimate_bytes(SIZE, placement) < most * GIB
    assert estimate_bytes(ModelSize(0, 0), placement) < GIB
    twice = ModelSize(2 * SIZE.linear, 2 * SIZE.other)
    assert estimate_bytes(twice, placement) > 1.8 * estimate_bytes(SIZE, placement)


WANTED = Placement("cuda", "bfloat16")
CHOICES = {
    "fits": (WANTED, {"cuda": 8, "cpu": 8}, ALL, WANTED),
    "8 bits": (WANTED, {"cuda": 4, "cpu": 8}, ALL, Placement("cuda", "bfloat16", "int8")),
    "4 bits": (WANTED, {"cuda": 3, "cpu": 8}, ALL, Placement("cuda", "bfloat16", "int4")),
    "the CPU": (WANTED, {"cuda": 1, "cpu": 8}, ALL, Placement("cpu", "bfloat16")),
    "only the device may change": (WANTED, {"cuda": 4, "cpu": 8}, frozenset({"device"}), Placement("cpu", "bfloat16")),
    "smaller dtype": (Placement("cpu", "float32"), {"cpu": 6}, frozenset({"dtype"}), Placement("cpu", "bfloat16")),
    "unknown device": (Placement("mps", "float32"), {"cpu": 1}, NOTHING, Placement("mps", "float32")),
}


@pytest.mark.parametrize(("first", "free", "auto", "wanted"), CHOICES.values(), ids=CHOICES)
def test_placement_that_fits_is_chosen(
    first: Placement, free: dict[str, int], auto: frozenset[str], wanted: Placement
) -> None:
    choice = choose_placement("generator", SIZE, first, {name: n * GIB for name, n in free.items()}, auto=auto)
    assert choice.placement == wanted
    assert bool(choice.why) == (wanted != first)


def test_refusal_says_what_would_fit() -> None:
    with pytest.raises(ConfigError) as caught:
        choose_placement("generator", SIZE, WANTED, {"cuda": 4 * GIB, "cpu": 8 * GIB}, auto=NOTHING)
    text = str(caught.value)
    assert "bfloat16 on cuda needs 5.1 GiB, and 4.0 GiB are free" in text
    assert "generator.quantize=int8 (3.2 GiB)" in text and "generator.device=cpu (5.1 GiB)" in text
    assert "with the value auto they are chosen" in text
    with pytest.raises(ConfigError, match="Nothing here fits it"):
        choose_placement("encoder", SIZE, WANTED, {"cuda": GIB, "cpu": GIB}, auto=ALL)


def test_size_comes_from_headers(tmp_path: Path) -> None:
    weights = {
        "model.layers.0.mlp.up_proj.weight": torch.zeros(8, 4),
        "model.embed_tokens.weight": torch.zeros(10, 4),
        "model.norm.weight": torch.zeros(4),
        "model.vision_tower.x": torch.zeros(100),
    }
    save_file(weights, tmp_path / "model.safetensors")
    assert model_size(tmp_path, lambda name: "vision" not in name) == ModelSize(32, 44)
    assert model_size(tmp_path) == ModelSize(32, 144)
    assert model_size(tmp_path / "none") is None
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "pytorch_model.bin").write_bytes(b"\0" * 2000)
    assert model_size(tmp_path) == ModelSize(0, 1000)


def test_memory_errors_are_recognised() -> None:
    yes = [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB"),
        MemoryError(),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ]
    assert all(map(is_out_of_memory, yes))
    assert not any(map(is_out_of_memory, [RuntimeError("shape"), ValueError("out of memory"), OSError()]))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8 + b"x",
        bytes(7) + b"\x10x",
        b"\x08" + bytes(7) + b'{"a": 1}',
        b"\x08" + bytes(7) + b'{"a":{}}',
        b"\x02" + bytes(7) + b"[]",
        b"\x10" + bytes(7) + b'{"a":{"shape":1}}',
    ],
)
def test_damaged_file_has_no_size(content: bytes, tmp_path: Path) -> None:
    """What loads it reports it."""
    (tmp_path / "model.safetensors").write_bytes(content)
    assert model_size(tmp_path) is None
