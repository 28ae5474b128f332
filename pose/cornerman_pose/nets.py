"""The detection and landmark networks: a protocol for each, and the LiteRT implementation."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.errors import RuntimeMissingError, WeightsError
from cornerman_pose.native_lines import without_info
from cornerman_pose.pruning import pruned
from cornerman_pose.warp import Pixels

Floats = NDArray[np.float32]

DETECTOR_SIDE: Final = 224
LANDMARK_SIDE: Final = 256
POINTS: Final = 39
"""Points of the landmark net: 33 landmarks, two that frame the body, four that are not used."""


class DetectorNet(Protocol):
    """Finds people in a small picture."""

    def __call__(self, picture: Pixels, /) -> tuple[Floats, Floats]:
        """[224, 224, 3] -> boxes and keypoints [2254, 12] relative to the anchors, pixels; logits [2254]."""


class LandmarkNet(Protocol):
    """Finds the landmarks of the person in a square."""

    def __call__(self, picture: Pixels, /) -> tuple[Floats, float, Floats, Floats]:
        """[256, 256, 3] -> points [39, 5] (x, y, z in pixels; logits of visibility and presence), presence 0..1,
        heat maps [64, 64, 39] (logits), points [39, 3] in metres."""


class LiteDetector:
    """`pose_detection.tflite`."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        self._net = _Interpreter(path, threads, [(1, 2254, 12), (1, 2254, 1)])

    def __call__(self, picture: Pixels, /) -> tuple[Floats, Floats]:
        """Runs the net; pixels become -1..1."""
        boxes, logits = self._net(picture * np.float32(2 / 255) - np.float32(1))
        return boxes[0], logits[0, :, 0]


class LiteLandmarks:
    """`pose_landmark_lite.tflite` or `pose_landmark_full.tflite`."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        shapes = [(1, POINTS * 5), (1, 1), (1, 64, 64, POINTS), (1, POINTS * 3)]
        self._net = _Interpreter(path, threads, shapes)

    def __call__(self, picture: Pixels, /) -> tuple[Floats, float, Floats, Floats]:
        """Runs the net; pixels become 0..1."""
        points, presence, heat, world = self._net(picture * np.float32(1 / 255))
        return points.reshape(POINTS, 5), float(presence[0, 0]), heat[0], world.reshape(POINTS, 3)


class _Interpreter:
    """A LiteRT model with one input; its outputs are told apart by shape, and come in the order asked for.

    What only other outputs need is not computed.
    """

    def __init__(self, path: Path, threads: int, shapes: list[tuple[int, ...]]) -> None:
        interpreter = litert().Interpreter
        try:
            model = pruned(path.read_bytes(), shapes)
            with without_info():
                self._net = interpreter(model_content=model, num_threads=threads)
                self._net.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise WeightsError(f"{path} cannot be loaded: {error}; get the weights again") from error
        self._input = self._net.get_input_details()[0]["index"]
        found = {tuple(int(n) for n in one["shape"]): one["index"] for one in self._net.get_output_details()}
        if missing := [shape for shape in shapes if shape not in found]:
            raise WeightsError(f"{path} has outputs {sorted(found)}, but none of {missing}; it is another model")
        self._outputs = [found[shape] for shape in shapes]

    def __call__(self, values: NDArray[np.float32]) -> list[Floats]:
        self._net.set_tensor(self._input, values[None])
        self._net.invoke()
        return [self._net.get_tensor(index) for index in self._outputs]


def litert() -> Any:
    """The module of LiteRT's interpreter.

    Raises:
        RuntimeMissingError: it is not installed, or does not load here.
    """
    try:
        return importlib.import_module("ai_edge_litert.interpreter")
    except ImportError as error:
        raise RuntimeMissingError(_remedy(error)) from error


def _remedy(error: ImportError) -> str:
    if sys.platform == "darwin" and _machine() == "x86_64":
        return "LiteRT (ai-edge-litert) has no wheels for macOS on Intel; use encoder.backend = mobile_videogpt there"
    if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("ai_edge_litert"):
        return "LiteRT is not installed; run: pip install ai-edge-litert (Python 3.11 to 3.14)"
    return f"LiteRT is installed but does not load: {error}; run: pip install --force-reinstall ai-edge-litert"


def _machine() -> str:
    import platform

    return platform.machine()
