"""Mobile-VideoGPT as a standalone package: bidirectional VideoMamba, CLIP, ETP projectors and Qwen2.

Names are imported on first use, so `import mobile_videogpt` does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mobile_videogpt.config import MobileVideoGPTConfig
    from mobile_videogpt.modeling import MobileVideoGPT
    from mobile_videogpt.tokens import PooledFeatures, Tokens, split_features

_MODULE_OF = {
    "PooledFeatures": "tokens",
    "MobileVideoGPT": "modeling",
    "MobileVideoGPTConfig": "config",
    "Tokens": "tokens",
    "split_features": "tokens",
}

__all__ = [
    "MobileVideoGPT",
    "MobileVideoGPTConfig",
    "PooledFeatures",
    "Tokens",
    "split_features",
]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
