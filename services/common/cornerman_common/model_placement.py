"""Places a model on this machine: device, dtype and quantization by settings and free memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import psutil

from cornerman_common.memory_fit import Placement, choose_placement, model_size
from cornerman_common.model_location import torch_device, torch_dtype
from cornerman_shared.errors import ConfigError, is_out_of_memory
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    import torch

CGROUP: Final = Path("/sys/fs/cgroup")
_VERSION_1: Final = ("memory.limit_in_bytes", "memory.usage_in_bytes")

log = get_logger("model_placement")


@dataclass(frozen=True, slots=True)
class PlacedModel:
    """The placement in torch's types.

    Attributes:
        why: why it is not what the settings would give with enough memory; empty if it is.
    """

    device: torch.device
    dtype: torch.dtype
    quantize: str
    words: str
    why: str


def place_model(
    section: Literal["encoder", "generator"],
    path: str,
    *,
    device: str,
    dtype: str,
    quantize: str | None = None,
    counts: Callable[[str], bool] = lambda name: True,
) -> PlacedModel:
    """The placement of a model that is about to be loaded; logs one that is not the first choice.

    Args:
        section: of the settings.
        path: folder or hub name; what is not here is not sized.
        device: the setting.
        dtype: the setting.
        quantize: the setting; None = the back end cannot quantize.
        counts: whether the weights of a name are loaded.

    Raises:
        ConfigError: the device is unavailable, or the model does not fit; names what would.
    """
    import torch

    first_device = torch_device(f"{section}.device", device)
    first_dtype = torch_dtype(dtype, first_device)
    first = Placement(first_device.type, _name(first_dtype), "none" if quantize in (None, "auto") else str(quantize))
    size = model_size(Path(path).expanduser(), counts)
    if size is None:
        return PlacedModel(first_device, first_dtype, first.quantize, first.in_words(), "")
    asked = {"device": device, "dtype": dtype, "quantize": quantize}
    auto = frozenset(name for name, value in asked.items() if value == "auto")
    free = free_memory(first_device)
    choice = choose_placement(section, size, first, free, auto=auto, quantizes=quantize is not None)
    placed = choice.placement
    if choice.why:
        log.warning("model_made_to_fit", section=section, placement=placed.in_words(), reason=choice.why)
    chosen = first_device if placed.device == first_device.type else torch.device(placed.device)
    return PlacedModel(chosen, getattr(torch, placed.dtype), placed.quantize, placed.in_words(), choice.why)


def free_memory(device: torch.device) -> dict[str, int]:
    """Bytes that are free on the device and for the CPU, within a container's limit."""
    import torch

    free = {"cpu": min(psutil.virtual_memory().available, _left_in_container())}
    if device.type == "cuda":
        free["cuda"] = torch.cuda.mem_get_info(device)[0]
    return free


def load_failure(section: str, path: str, error: Exception) -> ConfigError:
    """The error for a model that cannot be loaded; one for want of memory names the settings that need less."""
    smaller = ""
    if is_out_of_memory(error):
        smaller = f"; it needs less with {section}.dtype=bfloat16, or {section}.device=cpu"
        smaller += ", or generator.quantize=int8" if section == "generator" else ""
    return ConfigError(f"{section}.model = {path!r} cannot be loaded: {error}{smaller}")


def _left_in_container() -> int:
    """Bytes that a container's limit leaves; without one, more than any model needs."""
    for folder, most, used in ((CGROUP, "memory.max", "memory.current"), (CGROUP / "memory", *_VERSION_1)):
        try:
            limit = (folder / most).read_text().strip()
            # File caches count as used, and are given back.
            left = int(limit) - int((folder / used).read_text()) + _cached(folder)
        except (OSError, ValueError):  # another version of control groups, or no limit
            continue
        return max(0, left)
    return 2**62


def _cached(folder: Path) -> int:
    try:
        rows = [line.split() for line in (folder / "memory.stat").read_text().splitlines()]
        # In version 1 the total is the one with the groups below.
        return max([int(row[1]) for row in rows if row[0] in ("inactive_file", "total_inactive_file")], default=0)
    except (OSError, ValueError, IndexError):
        return 0


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
