"""Reads weight files: names and shapes at once, tensors on demand.

Reads safetensors and, with `weights_only=True`, PyTorch files; sharded or whole. Knows nothing of models.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from mobile_videogpt.errors import CheckpointError, listed

if TYPE_CHECKING:
    from mobile_videogpt.names import Shape

WHOLE_FILES = ("model.safetensors", "pytorch_model.bin")
TRAINABLES_FILE = "non_lora_trainables.bin"


@dataclass(frozen=True, slots=True)
class WeightFiles:
    """Names of a set of weights, each with its shape and a function that reads it."""

    shapes: dict[str, Shape]
    _readers: dict[str, Callable[[], Tensor]]

    def read(self, name: str) -> Tensor:
        """One tensor, on the CPU, in the dtype of the file."""
        return self._readers[name]()

    def renamed(self, rename: Callable[[str], str | None]) -> WeightFiles:
        """The same weights under other names; names that map to None are left out.

        Raises:
            CheckpointError: if two names map to one.
        """
        new = {name: rename(name) for name in self.shapes}
        kept = {name: other for name, other in new.items() if other is not None}
        if len(set(kept.values())) != len(kept):
            twice = [n for n, other in kept.items() if list(kept.values()).count(other) > 1]
            raise CheckpointError(f"these names stand for the same weights: {listed(twice)}; keep one of each")
        return WeightFiles(
            {other: self.shapes[name] for name, other in kept.items()},
            {other: self._readers[name] for name, other in kept.items()},
        )

    def only(self, keep: Callable[[str], bool]) -> WeightFiles:
        """The weights whose names satisfy `keep`."""
        return self.renamed(lambda name: name if keep(name) else None)

    def joined(self, other: WeightFiles) -> WeightFiles:
        """Both sets; `other` wins if both have a name."""
        return WeightFiles({**self.shapes, **other.shapes}, {**self._readers, **other._readers})


def find_weights(folder: Path) -> WeightFiles | None:
    """The weights of a folder in the layout transformers writes, or None if there are none.

    Raises:
        CheckpointError: if a shard is missing or a file is damaged.
    """
    for whole in WHOLE_FILES:
        index = folder / f"{whole}.index.json"
        if index.is_file():
            return _sharded(index)
        if (folder / whole).is_file():
            return read_file(folder / whole)
    return None


def read_file(path: Path) -> WeightFiles:
    """The weights of one file; a wrapping `{"model": ...}` or `{"module": ...}` is unwrapped.

    Raises:
        CheckpointError: if the file is damaged, or has entries that are not tensors.
    """
    if path.suffix == ".safetensors":
        return _safetensors(path)
    try:
        # Mapped, not read: a tensor is loaded when its reader is called.
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise CheckpointError(
            f"{path} cannot be read as a file of plain tensors ({str(error).splitlines()[0]}). "
            "Download it again; if it holds more than tensors, save its state dict alone."
        ) from error
    for wrapper in ("model", "module"):
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
            break
    if not isinstance(content, dict) or not content:
        raise CheckpointError(f"{path} holds a {type(content).__name__}, not a state dict of tensors")
    strange = [str(name) for name, value in content.items() if not isinstance(value, Tensor)]
    if strange:
        raise CheckpointError(f"{path} has entries that are not tensors: {listed(strange)}")
    tensors: dict[str, Tensor] = {str(name): value for name, value in content.items()}
    return WeightFiles({n: tuple(t.shape) for n, t in tensors.items()}, dict(_tensor_readers(tensors)))


def _safetensors(path: Path) -> WeightFiles:
    shapes: dict[str, Shape] = {}
    try:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - the handle is not a mapping
                shapes[name] = tuple(file.get_slice(name).get_shape())
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is not a readable safetensors file ({error}). Download it again.") from error
    return WeightFiles(shapes, {name: _SafetensorReader(path, name) for name in shapes})


@dataclass(frozen=True, slots=True)
class _SafetensorReader:
    path: Path
    name: str

    def __call__(self) -> Tensor:
        with safe_open(self.path, framework="pt") as file:
            tensor: Tensor = file.get_tensor(self.name)
        return tensor


def _tensor_readers(tensors: dict[str, Tensor]) -> Iterator[tuple[str, Callable[[], Tensor]]]:
    for name, tensor in tensors.items():
        yield name, tensor.clone


def _sharded(index: Path) -> WeightFiles:
    weight_map: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    shards = sorted(set(weight_map.values()))
    _check_present(index, shards)
    merged = WeightFiles({}, {})
    for shard in shards:
        merged = merged.joined(read_file(index.parent / shard))
    if absent := set(weight_map) - set(merged.shapes):
        raise CheckpointError(
            f"{index} lists names that its shards do not hold: {listed(absent)}. Download the folder again."
        )
    return merged


def _check_present(index: Path, shards: Iterable[str]) -> None:
    lost = [shard for shard in shards if not (index.parent / shard).is_file()]
    if lost:
        raise CheckpointError(
            f"{index.parent} lacks shards that {index.name} lists: {listed(lost)}. Download the folder again."
        )
