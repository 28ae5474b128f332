"""The temporal half in numpy: features of skeletons to exercise, phase, end of repetition and mistakes, frame by frame.

Runs without torch. Each source keeps a state, so a chunk costs only its new frames. Weights may be those of several
nets that were trained apart: their outputs are averaged, as each is wrong elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cornerman_pose.channels import CHANNELS, UNITS
from cornerman_pose.features import COUNT, DIRECT
from cornerman_pose.movements import exercise_names, form_rules
from cornerman_pose.reading import Floats, FrameReading

_ACTIONS = 3
_UNCALIBRATED = np.array([1.5, 0.3, 0.0], dtype=np.float32)


_MEMBER = "member"


@dataclass(slots=True)
class TemporalState:
    """The past inputs of every convolution of one source, oldest first, member after member."""

    past: list[Floats]


def joined(members: Sequence[Mapping[str, Floats]]) -> dict[str, Floats]:
    """One file's arrays from those of several nets: the first's by their names, `member1.` before the second's."""
    first, *others = members
    out = dict(first)
    for i, one in enumerate(others, 1):
        out |= {f"{_MEMBER}{i}.{name}": array for name, array in one.items()}
    return out


def members_of(weights: Mapping[str, Floats]) -> list[dict[str, Floats]]:
    """The arrays of each net in one file."""
    out: list[dict[str, Floats]] = [{name: a for name, a in weights.items() if not name.startswith(_MEMBER)}]
    while later := {
        name.removeprefix(prefix): a
        for prefix in [f"{_MEMBER}{len(out)}."]
        for name, a in weights.items()
        if name.startswith(prefix)
    }:
        out.append(later)
    return out


def _sigmoid(x: Floats) -> Floats:
    out: Floats = 0.5 * (1.0 + np.tanh(0.5 * x))
    return out


def _softmax(x: Floats) -> Floats:
    y = np.exp(x - x.max(-1, keepdims=True))
    out: Floats = y / y.sum(-1, keepdims=True)
    return out


class TemporalNet:
    """Causal convolutional nets read from `temporal.safetensors`; block i is dilated by 2**i.

    `calibration` [R,3] turns a repetition's measure and `wrong` logit into a probability, see `repetitions.judge`.

    Raises:
        ValueError: when the weights do not fit the features or the table of movements.
    """

    def __init__(self, weights: Mapping[str, Floats]) -> None:
        arrays = {name: np.ascontiguousarray(a, dtype=np.float32) for name, a in weights.items()}
        rules, channels = len(form_rules()), len(CHANNELS)
        self._sizes = (len(exercise_names()), 2, 1, _ACTIONS, rules, rules, channels, channels)
        self.calibration: Floats = arrays.pop("calibration", np.tile(_UNCALIBRATED, (rules, 1)))
        self._members = members_of(arrays)
        for w in self._members:
            features, outputs = w["stem.weight"].shape[0], w["head.weight"].shape[1]
            if features != COUNT or outputs != sum(self._sizes):
                raise ValueError(
                    f"weights read {features} features and give {outputs} outputs; this release has {COUNT} and "
                    f"{sum(self._sizes)}: train again, or take the weights of this release"
                )

    @classmethod
    def load(cls, path: Path) -> TemporalNet:
        """The net stored in a safetensors file."""
        from safetensors.numpy import load_file

        return cls(load_file(path))

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(a.size for w in self._members for a in w.values())

    def start(self) -> TemporalState:
        """State before the first frame."""
        return TemporalState(
            [
                np.zeros((2 << i, w["stem.weight"].shape[1]), dtype=np.float32)
                for w in self._members
                for i in range(_blocks(w))
            ]
        )

    def read(self, features: Floats, state: TemporalState) -> FrameReading:
        """Read K new frames [K, COUNT] of one source; `state` is changed in place. Any split gives equal results."""
        past, outs = iter(list(state.past)), []
        state.past.clear()
        for w in self._members:
            out, kept = _outputs(w, features, [next(past) for _ in range(_blocks(w))])
            state.past.extend(kept)
            outs.append(out)
        mean: Floats = np.mean(outs, axis=0, dtype=np.float32)
        e, p, n, a, wrong, observable, measure, doubt = np.split(mean, np.cumsum(self._sizes)[:-1], axis=1)
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
        )


def _blocks(w: Mapping[str, Floats]) -> int:
    return sum(name.endswith(".gain") for name in w)


def _outputs(w: Mapping[str, Floats], features: Floats, past: Sequence[Floats]) -> tuple[Floats, list[Floats]]:
    """All outputs of one net at K new frames, and the past of its convolutions after them."""
    first = np.clip((features - w["mean"]) * w["scale"], -5, 5) @ w["stem.weight"] + w["stem.bias"]
    x = first
    count = len(x)
    kept = []
    for i, before in enumerate(past):
        step, name = 1 << i, f"block{i}"
        y = x / np.sqrt((x * x).mean(1, keepdims=True) + 1e-5) * w[f"{name}.gain"]
        # The training net pads with zeros, so the past before the first frame is zero as well.
        line = np.concatenate([before, y])
        taps = np.concatenate([line[:count], line[step : step + count], line[2 * step : 2 * step + count]], axis=1)
        z = np.maximum(taps @ w[f"{name}.conv.weight"] + w[f"{name}.conv.bias"], 0)
        x = x + z @ w[f"{name}.out.weight"] + w[f"{name}.out.bias"]
        kept.append(line[count:])
    out: Floats = np.maximum(np.concatenate([x, first], axis=1), 0) @ w["head.weight"] + w["head.bias"]
    return out, kept
