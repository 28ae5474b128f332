"""A causal temporal convolutional net in numpy, frame by frame. Knows no meaning of its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cornerman_pose.reading import Floats


class CausalStack:
    """Residual blocks of dilated causal convolutions; block i is dilated by 2**i.

    Args:
        weights: by name, as training writes them; others than those of the net are left alone.
    """

    def __init__(self, weights: Mapping[str, Floats]) -> None:
        names = [name for name in weights if name in ("mean", "scale") or name.startswith(("stem.", "block", "head."))]
        self._w = {name: np.ascontiguousarray(weights[name], dtype=np.float32) for name in names}
        self._blocks = sum(name.endswith(".gain") for name in self._w)
        self.inputs, self._channels = self._w["stem.weight"].shape
        self.outputs = self._w["head.weight"].shape[1]

    @classmethod
    def load(cls, path: Path) -> CausalStack:
        """The net stored in a safetensors file."""
        from safetensors.numpy import load_file

        return cls(load_file(path))

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(a.size for a in self._w.values())

    def start(self) -> list[Floats]:
        """The past inputs of every convolution before the first frame, oldest first."""
        return [np.zeros((2 << i, self._channels), dtype=np.float32) for i in range(self._blocks)]

    def run(self, features: Floats, past: list[Floats]) -> Floats:
        """[K, outputs] of K new frames [K, inputs] of one source; `past` is changed in place."""
        w = self._w
        first = np.clip((features - w["mean"]) * w["scale"], -5, 5) @ w["stem.weight"] + w["stem.bias"]
        x = first
        count = len(x)
        for i in range(self._blocks):
            step, name = 1 << i, f"block{i}"
            y = x / np.sqrt((x * x).mean(1, keepdims=True) + 1e-5) * w[f"{name}.gain"]
            # The training net pads with zeros, so the past before the first frame is zero as well.
            line = np.concatenate([past[i], y])
            taps = np.concatenate([line[:count], line[step : step + count], line[2 * step : 2 * step + count]], axis=1)
            z = np.maximum(taps @ w[f"{name}.conv.weight"] + w[f"{name}.conv.bias"], 0)
            x = x + z @ w[f"{name}.out.weight"] + w[f"{name}.out.bias"]
            past[i] = line[count:]
        out: Floats = np.maximum(np.concatenate([x, first], axis=1), 0) @ w["head.weight"] + w["head.bias"]
        return out
