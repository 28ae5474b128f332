"""One source's landmarks to observations: grid, temporal half and counting in a row."""

from __future__ import annotations

from importlib.resources import as_file, files

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.features import SIDE, LandmarkGrid
from cornerman_pose.figures import FigureMeter
from cornerman_pose.repetitions import ChunkObservation, CountingSettings, RepetitionCounter
from cornerman_pose.stack import CausalStack
from cornerman_pose.temporal import DrawnFigures, TemporalNet

Rows = NDArray[np.float64]


def bundled_meter() -> FigureMeter:
    """What tells drawn figures from people, of this release."""
    with as_file(files("cornerman_pose") / "assets") as folder:
        return FigureMeter.load(folder / "figures.safetensors")


def bundled_net() -> TemporalNet:
    """The net that comes with this release."""
    with as_file(files("cornerman_pose") / "assets") as folder:
        drawn = DrawnFigures(CausalStack.load(folder / "drawn.safetensors"), bundled_meter())
        return TemporalNet.load(folder / "temporal.safetensors", drawn)


class MovementReader:
    """Reads one source, chunk after chunk; chunks may overlap."""

    def __init__(self, net: TemporalNet, settings: CountingSettings | None = None) -> None:
        self._net = net
        self._grid = LandmarkGrid()
        self._state = net.start()
        self._counter = RepetitionCounter(net.calibration, settings)

    def push(
        self, pts_s: Rows, image_px: Rows, world_m: Rows, visibility: Rows, presence: Rows
    ) -> ChunkObservation | None:
        """What a chunk of N frames shows; None when it completes no frame of the grid.

        Args:
            pts_s: [N] media times, seconds.
            image_px: [N,33,2] pixels.
            world_m: [N,33,3] metres, hips at the origin, y down.
            visibility: [N,33] in 0..1.
            presence: [N]; below 0.5 no person was found.
        """
        times, features = self._grid.push(pts_s, image_px, world_m, visibility, presence)
        if not len(times):
            return None
        reading = self._net.read(features, self._state)
        return self._counter.push(times, reading, features[:, SIDE].astype(np.float64), features[:, -1] > 0)

    def finish(self) -> ChunkObservation | None:
        """What the end of the source decides."""
        return self._counter.finish()
