"""What is installed for models that look at pictures, for `cornerman doctor`."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from typing import Final

WITHOUT: Final = "SmolVLM, Idefics3, Qwen-VL, LLaVA and InternVL work without"


def vlm_state() -> tuple[str, str]:
    """What was found, and what to do; empty = nothing needs to be done."""
    if importlib.util.find_spec("torch") is None:
        return "no torch, so vlm cannot be used", "pip install 'cornerman[model]'"
    if importlib.util.find_spec("PIL") is None:
        return "no Pillow, so vlm cannot read pictures", "pip install 'cornerman[vlm]'"
    if importlib.util.find_spec("torchvision") is None:
        return f"no torchvision; {WITHOUT}", "pip install 'cornerman[vlm]' for models that ask for it"
    return f"torchvision {importlib.metadata.version('torchvision')}", ""


def awq_state() -> tuple[str, str]:
    """What was found for AWQ checkpoints, and what to do; empty = nothing needs to be done."""
    missing = [name for name in ("gptqmodel", "optimum") if importlib.util.find_spec(name) is None]
    if missing:
        return f"no {' and no '.join(missing)}; AWQ checkpoints cannot be loaded", "pip install 'cornerman[awq]'"
    return " · ".join(f"{name} {importlib.metadata.version(name)}" for name in ("gptqmodel", "optimum")), ""
