"""The temporal half in numpy: features of skeletons to exercise, phase, end of repetition and mistakes, frame by frame.

Runs without torch. Each source keeps a state, so a chunk costs only its new frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cornerman_pose.channels import CHANNELS, UNITS
from cornerman_pose.features import COUNT, DIRECT
from cornerman_pose.figures import FigureMeter, FigureState
from cornerman_pose.movements import exercise_names, form_rules
from cornerman_pose.reading import Floats, FrameReading
from cornerman_pose.signs import signs_of
from cornerman_pose.stack import CausalStack

_ACTIONS = 3
_UNCALIBRATED = np.array([1.5, 0.3, 0.0], dtype=np.float32)


@dataclass(slots=True)
class TemporalState:
    """Of one source: the past inputs of every convolution, oldest first, and what `DrawnFigures` remember."""

    past: list[Floats]
    drawn_past: list[Floats] = field(default_factory=list)
    figure: FigureState | None = None


@dataclass(frozen=True, slots=True)
class DrawnFigures:
    """What reads drawn figures in place of people, and what tells them apart."""

    stack: CausalStack
    meter: FigureMeter

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return self.stack.parameters + self.meter.parameters


def _sigmoid(x: Floats) -> Floats:
    out: Floats = 0.5 * (1.0 + np.tanh(0.5 * x))
    return out


def _softmax(x: Floats) -> Floats:
    y = np.exp(x - x.max(-1, keepdims=True))
    out: Floats = y / y.sum(-1, keepdims=True)
    return out


class TemporalNet:
    """Two experts where `drawn` is given, else one (mixture of experts; Jacobs et al., 1991).

    `calibration` [R,3] turns a repetition's measure and `wrong` logit into a probability, see `repetitions.judge`.

    Args:
        weights: of the stack that reads people, and `calibration`.
        drawn: reads drawn figures.

    Raises:
        ValueError: when the weights do not fit the features or the table of movements.
    """

    def __init__(self, weights: Mapping[str, Floats], drawn: DrawnFigures | None = None) -> None:
        rules, channels = len(form_rules()), len(CHANNELS)
        self._sizes = (len(exercise_names()), 2, 1, _ACTIONS, rules, rules, channels, channels)
        self.calibration: Floats = weights.get("calibration", np.tile(_UNCALIBRATED, (rules, 1)))
        self._stack, self._drawn = CausalStack(weights), drawn
        for stack in (self._stack, drawn.stack) if drawn else (self._stack,):
            if (stack.inputs, stack.outputs) != (COUNT, sum(self._sizes)):
                raise ValueError(
                    f"weights read {stack.inputs} features and give {stack.outputs} outputs; this release has "
                    f"{COUNT} and {sum(self._sizes)}: train again, or take the weights of this release"
                )

    @classmethod
    def load(cls, path: Path, drawn: DrawnFigures | None = None) -> TemporalNet:
        """The net stored in a safetensors file."""
        from safetensors.numpy import load_file

        return cls(load_file(path), drawn)

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return self._stack.parameters + self.calibration.size + (self._drawn.parameters if self._drawn else 0)

    def start(self) -> TemporalState:
        """State before the first frame."""
        if self._drawn is None:
            return TemporalState(self._stack.start())
        return TemporalState(self._stack.start(), self._drawn.stack.start(), self._drawn.meter.start())

    def another_body(self, state: TemporalState) -> None:
        """Another body is followed from the next frame on: whether it is a drawn figure is open again."""
        if state.figure is not None:
            state.figure.forget()

    def read(self, features: Floats, state: TemporalState) -> FrameReading:
        """Read K new frames [K, COUNT] of one source; `state` is changed in place. Any split gives equal results."""
        out = self._stack.run(features, state.past)
        sure = np.zeros(len(features), dtype=np.float32)
        if self._drawn is not None and state.figure is not None:
            sure = self._drawn.meter.push(features, state.figure)
            out = out + sure[:, None] * (self._drawn.stack.run(features, state.drawn_past) - out)
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
            drawn=sure,
        )
