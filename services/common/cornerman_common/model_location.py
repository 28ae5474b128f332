"""Resolves settings of models: path, device and dtype. Imports torch only to resolve devices and dtypes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from cornerman_common.bundle import bundled, check_exists
from cornerman_shared.errors import ConfigError

if TYPE_CHECKING:
    import torch


def model_path(setting: str, value: str) -> str:
    """Path or hub name to load: the value of the setting, or the bundled coach if empty.

    Raises:
        ConfigError: the setting is empty and no model is bundled, or its path does not exist.
    """
    if not value:
        path = bundled("coach")
        if not (path / "config.json").is_file():
            raise ConfigError(
                f"{setting} is empty, and this installation has no bundled model at {path}; give a path or a hub name"
            )
        return str(path)
    check_exists(setting, value)
    return str(Path(value).expanduser()) if value.startswith("~") else value


def torch_device(setting: str, value: str) -> torch.device:
    """Resolves a device; `auto` is CUDA, else MPS, else the CPU.

    Raises:
        ConfigError: the device is unavailable, or torch is not installed.
    """
    require_model_extra(setting)
    import torch

    if value == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(value)
    except RuntimeError:
        raise ConfigError(f"{setting} = {value!r}: unknown device; give auto, cpu, cuda, cuda:1 or mps") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"{setting} = {value!r}, but torch sees no CUDA device here; give auto or cpu")
    return device


def torch_dtype(value: str, device: torch.device) -> torch.dtype:
    """Resolves a dtype; `auto` is bfloat16 on CUDA and float32 elsewhere."""
    import torch

    if value == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    named = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    return named[value]


def set_threads(threads: int) -> None:
    """Sets the number of torch threads of this process; 0 keeps torch's default."""
    if threads:
        import torch

        torch.set_num_threads(threads)


def require_model_extra(setting: str) -> None:
    """Checks that torch is installed, without importing it.

    Raises:
        ConfigError: torch is not installed.
    """
    if importlib.util.find_spec("torch") is None:
        raise ConfigError(f"{setting}: this needs torch; install it with `pip install 'cornerman[model]'`")
