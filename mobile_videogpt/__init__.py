"""Mobile-VideoGPT as a package that stands alone: bidirectional VideoMamba, CLIP, ETP projectors and Qwen2.

Names are imported on first use, so that `import mobile_videogpt` costs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mobile_videogpt.config import MobileVideoGPTConfig
    from mobile_videogpt.modeling import MobileVideoGPT
    from mobile_videogpt.tokens import PooledFeatures, Tokens, split_features

_HOMES = {
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
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
