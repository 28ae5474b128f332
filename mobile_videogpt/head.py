"""The temporal head: probabilities of the three actions from each chunk's `features`. Plain numpy, no torch.

One shared layer reduces each frame's row of the features, the eight rows and the CLS are mixed, and a GRU keeps a
few seconds of state. Knows nothing of training, text or the gate.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mobile_videogpt.errors import CheckpointError

Array = NDArray[np.float32]

ACTIONS = ("next", "feedback", "correct")
WEIGHTS, SETTINGS = "head.safetensors", "head.json"


@dataclass(frozen=True, slots=True)
class HeadConfig:
    """Sizes of a head, and its calibration.

    Attributes:
        cls_width: values of the video tower's CLS at the beginning of the features.
        frames: frames of a chunk.
        row_width: values of each frame behind the CLS (video mean and image mean).
        reduced: values of a row after the shared layer.
        hidden: size of the GRU's state.
        offsets: added to the logits of next, feedback and correct, so that the best threshold on validation data is
            `threshold`.
        threshold: least probability at which an action is taken.
        min_interval_s: seconds between feedbacks that the offsets were chosen with.
        repeat_window_s: seconds in which a lasting detection counts once, that the offsets were chosen with.
        context_chunks: chunks of context that the text was trained with.
    """

    cls_width: int
    frames: int
    row_width: int
    reduced: int
    hidden: int
    offsets: tuple[float, float, float] = (0.0, 0.0, 0.0)
    threshold: float = 0.75
    min_interval_s: float = 2.0
    repeat_window_s: float = 2.0
    context_chunks: int = 3

    @property
    def feature_size(self) -> int:
        """Length of the features that the head reads."""
        return self.cls_width + self.frames * self.row_width

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every weight."""
        r, h = self.reduced, self.hidden
        return {
            "mean": (self.feature_size,),
            "scale": (self.feature_size,),
            "cls.weight": (r, self.cls_width),
            "cls.bias": (r,),
            "row.weight": (r, self.row_width),
            "row.bias": (r,),
            "mix.weight": (h, (self.frames + 1) * r),
            "mix.bias": (h,),
            "gru.weight_ih": (3 * h, h),
            "gru.weight_hh": (3 * h, h),
            "gru.bias_ih": (3 * h,),
            "gru.bias_hh": (3 * h,),
            "out.weight": (3, 2 * h),
            "out.bias": (3,),
        }


class HeadError(CheckpointError, ValueError):
    """A head's files are missing, damaged, or do not fit its config."""


class TemporalHead:
    """Gives action probabilities chunk by chunk.

    Args:
        config: the sizes.
        weights: every weight by name, float32.

    Raises:
        HeadError: listing weights that are missing, left over, mis-shaped or not finite.
    """

    def __init__(self, config: HeadConfig, weights: dict[str, Array]) -> None:
        self.config = config
        wanted = config.shapes()
        _check_names(set(wanted), set(weights))
        for name, shape in wanted.items():
            if weights[name].shape != shape:
                raise HeadError(
                    f"the head's {name} has shape {list(weights[name].shape)}, its config says {list(shape)}; "
                    "weights and config are of different heads"
                )
            if not np.isfinite(weights[name]).all():
                raise HeadError(f"the head's {name} holds values that are not finite; train it again")
        self.weights = {name: np.ascontiguousarray(w, dtype=np.float32) for name, w in weights.items()}
        self._offsets = np.array(config.offsets, dtype=np.float32)

    @property
    def feature_size(self) -> int:
        """Length of the features that `step` reads."""
        return self.config.feature_size

    @classmethod
    def load(cls, path: str | Path) -> TemporalHead:
        """Reads a head from its folder.

        Raises:
            HeadError: if a file is missing or damaged.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        folder = Path(path)
        settings, weights = folder / SETTINGS, folder / WEIGHTS
        for file in (settings, weights):
            if not file.is_file():
                raise HeadError(
                    f"no head in {folder}: {file.name} is missing. Give the folder that `training` exported, "
                    f"with {SETTINGS} and {WEIGHTS}."
                )
        try:
            config = _config(json.loads(settings.read_text(encoding="utf-8")))
        except (json.JSONDecodeError, UnicodeDecodeError, TypeError, ValueError) as error:
            raise HeadError(f"{settings} is damaged: {error}. Export the head again.") from error
        try:
            found = load_file(weights)
        except (SafetensorError, OSError, ValueError) as error:
            raise HeadError(f"{weights} is damaged: {error}. Export the head again.") from error
        return cls(config, {name: w.astype(np.float32) for name, w in found.items()})

    def save(self, path: str | Path) -> None:
        """Writes the head's two files to a folder; `load` reads them back equal."""
        from safetensors.numpy import save_file

        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.weights, folder / WEIGHTS)
        (folder / SETTINGS).write_text(json.dumps(asdict(self.config), indent=1) + "\n", encoding="utf-8")

    def step(self, features: Array, state: Array | None) -> tuple[Array, Array]:
        """Reads one chunk.

        Args:
            features: [F] float32, from `Tokens.features`.
            state: the state the previous call returned; None at the start of a run.

        Returns:
            Probabilities [3] of next, feedback, correct, and the state [hidden], float32.

        Raises:
            ValueError: if the length of features or state is not this head's.
        """
        config, w = self.config, self.weights
        if features.shape != (config.feature_size,):
            raise ValueError(
                f"features have shape {list(features.shape)}, this head reads [{config.feature_size}]; "
                "use the encoder that the head was trained with"
            )
        before = np.zeros(config.hidden, np.float32) if state is None else state
        if before.shape != (config.hidden,):
            raise ValueError(
                f"the state has shape {list(before.shape)}, this head keeps [{config.hidden}]; start with None"
            )
        # Clipped at 8 deviations, as in training: one broken frame must not saturate the GRU.
        x = np.clip((features - w["mean"]) * w["scale"], -8.0, 8.0)
        # [reduced], then [frames, reduced], then [hidden]
        first = _gelu(w["cls.weight"] @ x[: config.cls_width] + w["cls.bias"])
        rows = x[config.cls_width :].reshape(config.frames, config.row_width)
        rest = _gelu(rows @ w["row.weight"].T + w["row.bias"])
        mixed = _gelu(w["mix.weight"] @ np.concatenate([first, rest.ravel()]) + w["mix.bias"])
        after = _gru(mixed, before, w)
        logits = w["out.weight"] @ np.concatenate([after, mixed]) + w["out.bias"] + self._offsets
        raised = np.exp(logits - logits.max())
        return (raised / raised.sum()).astype(np.float32), after


def _check_names(wanted: set[str], found: set[str]) -> None:
    missing, extra = sorted(wanted - found), sorted(found - wanted)
    if missing or extra:
        raise HeadError(
            f"the head's weights do not fit: missing {', '.join(missing) or 'none'}; "
            f"left over {', '.join(extra) or 'none'}. Export the head again."
        )


def _config(values: object) -> HeadConfig:
    if not isinstance(values, dict):
        raise ValueError(f"expected an object, found {type(values).__name__}")
    known = {f.name for f in fields(HeadConfig)}
    if unknown := sorted(set(values) - known):
        raise ValueError(f"unknown names {', '.join(unknown)}")
    for name in ("cls_width", "frames", "row_width", "reduced", "hidden"):
        if not isinstance(values.get(name), int) or values[name] < 1:
            raise ValueError(f"{name} is {values.get(name)!r}; expected a whole number from 1 on")
    offsets = tuple(float(v) for v in values.get("offsets", (0, 0, 0)))
    if len(offsets) != 3:
        raise ValueError(f"offsets has {len(offsets)} values; expected 3")
    return HeadConfig(**{**values, "offsets": offsets})


def _gelu(x: Array) -> Array:
    # The tanh form (Hendrycks and Gimpel 2016); training uses the same.
    return np.asarray(0.5 * x * (1.0 + np.tanh(0.7978845608 * (x + 0.044715 * x * x * x))), dtype=np.float32)


def _gru(x: Array, before: Array, w: dict[str, Array]) -> Array:
    """One step of a gated recurrent unit (Cho et al. 2014), gates in torch's order: reset, update, new."""
    a = w["gru.weight_ih"] @ x + w["gru.bias_ih"]
    b = w["gru.weight_hh"] @ before + w["gru.bias_hh"]
    h = len(before)
    gates = 1.0 / (1.0 + np.exp(-np.clip(a[: 2 * h] + b[: 2 * h], -30, 30)))
    new = np.tanh(a[2 * h :] + gates[:h] * b[2 * h :])
    return np.asarray((1.0 - gates[h:]) * new + gates[h:] * before, dtype=np.float32)
