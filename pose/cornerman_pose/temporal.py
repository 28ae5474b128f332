"""The temporal half in numpy: features of skeletons to exercise, phase, end of repetition and mistakes, frame by frame.

Runs without torch. Each source keeps a state, so a chunk costs only its new frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cornerman_pose.channels import CHANNELS, UNITS
from cornerman_pose.features import COUNT, DIRECT
from cornerman_pose.movements import exercise_names, form_rules
from cornerman_pose.reading import Floats, FrameReading
from cornerman_pose.signs import signs_of

_ACTIONS = 3
_UNCALIBRATED = np.array([1.5, 0.3, 0.0], dtype=np.float32)


@dataclass(slots=True)
class TemporalState:
    """The past inputs of every convolution of one source, oldest first."""

    past: list[Floats]


def _sigmoid(x: Floats) -> Floats:
    out: Floats = 0.5 * (1.0 + np.tanh(0.5 * x))
    return out


def _softmax(x: Floats) -> Floats:
    y = np.exp(x - x.max(-1, keepdims=True))
    out: Floats = y / y.sum(-1, keepdims=True)
    return out


class TemporalNet:
    """A causal convolutional net read from `temporal.safetensors`; block i is dilated by 2**i.

    `calibration` [R,3] turns a repetition's measure and `wrong` logit into a probability, see `repetitions.judge`.

    Raises:
        ValueError: when the weights do not fit the features or the table of movements.
    """

    def __init__(self, weights: Mapping[str, Floats]) -> None:
        self._w = {name: np.ascontiguousarray(a, dtype=np.float32) for name, a in weights.items()}
        self._blocks = sum(name.endswith(".gain") for name in self._w)
        self._channels = self._w["stem.weight"].shape[1]
        rules, channels = len(form_rules()), len(CHANNELS)
        self._sizes = (len(exercise_names()), 2, 1, _ACTIONS, rules, rules, channels, channels)
        self.calibration: Floats = self._w.pop("calibration", np.tile(_UNCALIBRATED, (rules, 1)))
        outputs = self._w["head.weight"].shape[1]
        if self._w["stem.weight"].shape[0] != COUNT or outputs != sum(self._sizes):
            raise ValueError(
                f"weights read {self._w['stem.weight'].shape[0]} features and give {outputs} outputs; this release has "
                f"{COUNT} and {sum(self._sizes)}: train again, or take the weights of this release"
            )

    @classmethod
    def load(cls, path: Path) -> TemporalNet:
        """The net stored in a safetensors file."""
        from safetensors.numpy import load_file

        return cls(load_file(path))

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(a.size for a in self._w.values())

    def start(self) -> TemporalState:
        """State before the first frame."""
        return TemporalState([np.zeros((2 << i, self._channels), dtype=np.float32) for i in range(self._blocks)])

    def read(self, features: Floats, state: TemporalState) -> FrameReading:
        """Read K new frames [K, COUNT] of one source; `state` is changed in place. Any split gives equal results."""
        w = self._w
        first = np.clip((features - w["mean"]) * w["scale"], -5, 5) @ w["stem.weight"] + w["stem.bias"]
        x = first
        count = len(x)
        for i in range(self._blocks):
            step, name = 1 << i, f"block{i}"
            y = x / np.sqrt((x * x).mean(1, keepdims=True) + 1e-5) * w[f"{name}.gain"]
            # The training net pads with zeros, so the past before the first frame is zero as well.
            line = np.concatenate([state.past[i], y])
            taps = np.concatenate([line[:count], line[step : step + count], line[2 * step : 2 * step + count]], axis=1)
            z = np.maximum(taps @ w[f"{name}.conv.weight"] + w[f"{name}.conv.bias"], 0)
            x = x + z @ w[f"{name}.out.weight"] + w[f"{name}.out.bias"]
            state.past[i] = line[count:]
        out = np.maximum(np.concatenate([x, first], axis=1), 0) @ w["head.weight"] + w["head.bias"]
        e, p, n, a, wrong, observable, measure, doubt = np.split(out, np.cumsum(self._sizes)[:-1], axis=1)
        phase = (np.arctan2(p[:, 0], p[:, 1]) / (2 * np.pi)) % 1.0
        return FrameReading(
            exercise=_softmax(e),
            phase=phase.astype(np.float32),
            cycle=np.sqrt((p * p).sum(1)),
            end=_sigmoid(n[:, 0]),
            action=_softmax(a),
            wrong=_sigmoid(wrong),
            observable=_sigmoid(observable),
            measure=((measure + features[:, DIRECT]) * UNITS).astype(np.float32),
            doubt=(np.exp(np.clip(doubt, -4, 2)) * UNITS).astype(np.float32),
            shown=(features[:, DIRECT] * UNITS).astype(np.float32),
            signs=signs_of(features),
        )
