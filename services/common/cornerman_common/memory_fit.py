"""Chooses dtype, quantization and device so that a model's weights fit the memory that is free. Imports no torch.

A setting that is `auto` may be chosen here; one that names a value stays, and a model that does not fit with it is
refused with the values that would do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cornerman_shared.errors import ConfigError

BYTES: Final = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0, "int8": 1.1, "int4": 0.6}
"""Bytes of a parameter; the quantized ones with their scales."""

ROOM: Final = 1.15
"""Weights, and room for activations and caches beside them."""
FIXED_BYTES: Final = 200 * 2**20
"""What a process needs besides, whatever the model."""
HEADER_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class ModelSize:
    """Parameters of a model: those of linear layers, which quantization makes smaller, and the others."""

    linear: int
    other: int


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a model goes, and how: device type, dtype, and `none`, `int8` or `int4`."""

    device: str
    dtype: str
    quantize: str = "none"

    def in_words(self) -> str:
        """For people and for `cornerman status`."""
        return f"{self.dtype if self.quantize == 'none' else self.quantize} on {self.device}"


@dataclass(frozen=True, slots=True)
class PlacementChoice:
    """A placement that fits.

    Attributes:
        why: why it is not the first choice; empty if it is.
    """

    placement: Placement
    why: str


def estimate_bytes(size: ModelSize, placement: Placement) -> int:
    """Memory that a model needs in a placement, on its device."""
    each = BYTES[placement.dtype]
    linear = BYTES[placement.quantize] if placement.quantize != "none" else each
    return int((size.linear * linear + size.other * each) * ROOM) + FIXED_BYTES


def choose_placement(
    section: str,
    size: ModelSize,
    first: Placement,
    free: Mapping[str, int],
    *,
    auto: frozenset[str],
    quantizes: bool = True,
) -> PlacementChoice:
    """The first choice if it fits, else the next best that settings of `auto` allow.

    Args:
        section: of the settings, `encoder` or `generator`, for messages.
        size: of the model.
        first: the placement that the settings ask for.
        free: bytes that are free, by device type; a device that is not named has enough.
        auto: the settings that may be chosen: `dtype`, `quantize`, `device`.
        quantizes: whether the back end can quantize.

    Raises:
        ConfigError: nothing allowed fits; names what would.
    """
    if _fits(size, first, free):
        return PlacementChoice(first, "")
    need, there = estimate_bytes(size, first), free[first.device]
    why = f"{first.in_words()} needs {_gib(need)}, and {_gib(there)} are free"
    fitting = [one for one in _smaller(first, quantizes) if _fits(size, one, free)]
    for one in fitting:
        if _differs(first, one) <= auto:
            return PlacementChoice(one, why)
    remedies = ", or ".join(
        " ".join(f"{section}.{name}={getattr(one, name)}" for name in sorted(_differs(first, one)))
        + f" ({_gib(estimate_bytes(size, one))})"
        for one in fitting
    )
    raise ConfigError(
        f"{section}.model does not fit: {why}. "
        + (f"These would fit: {remedies}; with the value auto they are chosen" if remedies else "Nothing here fits it")
    )


def model_size(folder: Path, counts: Callable[[str], bool] = lambda name: True) -> ModelSize | None:
    """Size of a model by the headers of its safetensors files, or by the size of its PyTorch files.

    Args:
        folder: the checkpoint.
        counts: whether the weights of a name are loaded.

    Returns:
        None where the folder holds no weights that can be sized.
    """
    linear = other = 0
    for file in sorted(folder.glob("*.safetensors")):
        for name, shape in _shapes(file):
            parameters = 1
            for side in shape:
                parameters *= side
            if not counts(name):
                continue
            if len(shape) == 2 and ".layers." in name:
                linear += parameters
            else:
                other += parameters
    if not linear and not other:
        other = sum(file.stat().st_size for file in folder.glob("pytorch_model*.bin")) // 2
    return ModelSize(linear, other) if linear or other else None


def _shapes(file: Path) -> Iterator[tuple[str, list[int]]]:
    """Names and shapes of a file's tensors; none of a damaged file, which is reported by what loads it."""
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(HEADER_BYTES), "little")
        if length > file.stat().st_size:
            return
        try:
            header = json.loads(stream.read(length))
        except (ValueError, RecursionError):
            return
    for name, entry in header.items() if isinstance(header, dict) else ():
        shape = entry.get("shape") if isinstance(entry, dict) else None
        if name != "__metadata__" and isinstance(shape, list) and all(isinstance(side, int) for side in shape):
            yield name, shape


def _smaller(first: Placement, quantizes: bool) -> Iterator[Placement]:
    """Placements that need less, or another device, from best to worst."""
    devices = [first.device, *(["cpu"] if first.device != "cpu" else [])]
    for device in devices:
        start = replace(first, device=device)
        # On a CPU the weights are read whole before they are quantized, so that saves nothing there.
        kinds = () if device == "cpu" else ("int8", "int4")
        if start != first:
            yield start
        if start.dtype == "float32":
            yield replace(start, dtype="bfloat16")
        if quantizes and start.quantize == "none":
            yield from (replace(start, quantize=kind) for kind in kinds)


def _fits(size: ModelSize, placement: Placement, free: Mapping[str, int]) -> bool:
    return placement.device not in free or estimate_bytes(size, placement) <= free[placement.device]


def _differs(first: Placement, other: Placement) -> set[str]:
    return {name for name in ("device", "dtype", "quantize") if getattr(first, name) != getattr(other, name)}


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
