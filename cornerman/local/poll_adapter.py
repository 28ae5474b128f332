"""The LoRA adapter of a polling session: found on this machine before anything starts, or refused.

An adapter that is missing never leaves the base model to answer in its place. Nothing is downloaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cornerman.local.model_catalogue import cached
from cornerman_shared.errors import ConfigError

BASE: Final = "Amshaker/Mobile-VideoGPT-0.5B"
DEFAULT_ADAPTER: Final = "EdgeVLM-Labs/mobile-videogpt-finetune-2000"
"""The adapter that `BASE` is polled with unless another one, or `none`, is named."""

NONE: Final = ("", "none")
ADAPTER_NAME: Final = "lora"
"""Its name in the settings."""

_CONFIG, _WEIGHTS = "adapter_config.json", ("adapter_model.safetensors", "adapter_model.bin")


def default_adapter(base_model: str | None) -> str | None:
    """The adapter that goes with a base model: a hub name, or a folder of that name; None = it has none."""
    return DEFAULT_ADAPTER if base_model in (BASE, BASE.lower()) or _is_folder_of(base_model) else None


def _is_folder_of(base_model: str | None) -> bool:
    return bool(base_model) and Path(str(base_model)).expanduser().name == BASE.rpartition("/")[2]


def adapter_folder(wanted: str) -> Path:
    """The folder of an adapter: a path, or a hub name that was downloaded before.

    Raises:
        ConfigError: it is not on this machine, or holds no adapter; says how to get it.
    """
    path = Path(wanted).expanduser()
    if path.is_dir():
        return _checked(path.absolute(), wanted)
    is_path = wanted.startswith((".", "/", "~")) or wanted.count("/") != 1
    if is_path:
        what = "it is a file" if path.exists() else "there is no such folder"
        raise ConfigError(f"--lora-weights {wanted!r}: {what}; give the adapter's folder, or OWNER/NAME of the hub")
    found = cached(wanted)
    if found is None:
        raise ConfigError(
            f"--lora-weights {wanted!r} is not on this machine, and the base model is not polled in its place; fetch "
            f"it once with `hf download {wanted}`, give --lora-weights FOLDER, or --lora-weights none for the base "
            "model alone"
        )
    return _checked(found, wanted)


def _checked(folder: Path, wanted: str) -> Path:
    has_weights = any((folder / name).is_file() for name in _WEIGHTS)
    if not (folder / _CONFIG).is_file() or not has_weights:
        missing = _CONFIG if has_weights else _WEIGHTS[0]
        raise ConfigError(f"--lora-weights {wanted!r} is not a LoRA adapter: {missing} is missing in {folder}")
    return folder
