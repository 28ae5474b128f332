"""The reference's outputs, and the model they were made with.

`GOLDEN_DIR` in the environment selects another folder of outputs; its seed is in its `info.json`.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mobile_videogpt.config import ClipVisionConfig, LanguageConfig, MobileVideoGPTConfig, VideoMambaConfig
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.names import published_name
from tests.parity import recipe

DATA = Path(__file__).parent / "data"


def golden_dir() -> Path:
    return Path(os.environ.get("GOLDEN_DIR", DATA / "vectors"))


def golden_config() -> MobileVideoGPTConfig:
    """Full widths, few layers: 2 of VideoMamba, 3 of CLIP, 2 of Qwen2 with 1000 tokens."""
    return replace(
        MobileVideoGPTConfig.full_0_5b(),
        video=VideoMambaConfig(depth=2),
        image=ClipVisionConfig(depth=3),
        language=LanguageConfig(vocab_size=1000, depth=2, mlp_width=1024),
    )


@dataclass(frozen=True)
class Golden:
    """One folder of reference outputs."""

    folder: Path

    @cached_property
    def info(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "info.json").read_text())
        return found

    @property
    def seed(self) -> int:
        return int(self.info["seed"])

    @cached_property
    def weights_spot(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = json.loads((self.folder / "weights_spot.json").read_text())
        return found

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        with np.load(self.folder / f"{name}.npz") as file:
            return dict(file)

    def frames(self, name: str) -> torch.Tensor:
        """`[1, T, H, W, 3]` uint8 of an input of `info.json`."""
        count, height, width, _ = self.info["inputs"][name]["shape"]
        return torch.from_numpy(recipe.frames(self.seed, name, count, height, width))[None]

    def normal(self, name: str, *shape: int) -> torch.Tensor:
        return torch.from_numpy(recipe.normal(self.seed, name, shape))

    def model(self) -> MobileVideoGPT:
        """The small model with the recipe's weights."""
        model = MobileVideoGPT(golden_config()).eval()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(torch.from_numpy(recipe.weight(self.seed, published_name(name), parameter.shape)))
        return model
