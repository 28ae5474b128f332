"""One source's people over time: whom to follow, how well they are seen, and their repetitions.

A chunk of people in, one `Watched` out. What another process needs to go on is small and plain: `memory`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.features import SIDE, LandmarkGrid
from cornerman_pose.landmarks import LANDMARKS, VALUES, Floats, LandmarkTrack, SeenChunk
from cornerman_pose.picture import PictureStats
from cornerman_pose.points import POINTS
from cornerman_pose.repetitions import ChunkObservation, CountingSettings, RepetitionCounter, RepetitionSeen
from cornerman_pose.sides import SidesState, steady_legs
from cornerman_pose.subject import Subject, SubjectState, follow
from cornerman_pose.taught.counter import TaughtCounter
from cornerman_pose.taught.observing import observe_taught
from cornerman_pose.temporal import TemporalNet
from cornerman_pose.unlikeness import UnlikenessMeter
from cornerman_pose.view import View, ViewState, judge

Plain: TypeAlias = "float | int | str | list[float] | NDArray[np.float16]"
WatcherMemory: TypeAlias = "dict[str, Plain]"

Rows = NDArray[np.float64]

_ROW: Final = len(POINTS) * VALUES + 1
_SUBJECT: Final = "subject."
_VIEW: Final = "view."
_SIDES: Final = "sides."
_FIGURE: Final = "figure."

RECENT: Final = 32
"""Frames of the followed person that are remembered, 4 s at 8 a second: the temporal half settles on them."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What a chunk shows.

    Attributes:
        subject: who is followed.
        view: how well they are seen.
        exercise: "" without one.
        certainty: 0..1, of the exercise or of there being none.
        count: repetitions, or seconds of a hold, in this set.
        phase: 0..1 of the repetition under way.
        angle: the camera's: "front", "oblique", "side", or "nobody".
        ended: repetitions that ended within the chunk.
        unlikeness: as `UnlikenessMeter` gives it.
        grid_s: media times [K] of the grid that the chunk completed.
        shown: [K, M] the channels at those times, as the landmarks show them, in degrees and ratios.
    """

    subject: Subject
    view: View
    exercise: str
    certainty: float
    count: int
    phase: float
    angle: str
    ended: tuple[RepetitionSeen, ...]
    unlikeness: float
    grid_s: tuple[float, ...] = ()
    shown: Floats | None = field(default=None, compare=False)


class PoseWatcher:
    """Watches one source, chunk after chunk; chunks may overlap.

    Args:
        net: the temporal half; shared between sources.
        meter: of unlikeness, not shared.
        settings: thresholds of the decisions.
        taught: counts own exercises in place of the bundled ones; not shared.
    """

    def __init__(
        self,
        net: TemporalNet,
        meter: UnlikenessMeter,
        settings: CountingSettings | None = None,
        taught: TaughtCounter | None = None,
    ) -> None:
        self._taught = taught
        self._net, self._meter = net, meter
        self._grid, self._past = LandmarkGrid(), net.start()
        self._counter = RepetitionCounter(net.calibration, settings)
        self._subject: SubjectState = {}
        self._view: ViewState = {}
        self._sides: SidesState = {}
        self._recent: deque[tuple[float, Rows]] = deque(maxlen=RECENT)
        self._last = ChunkObservation(0.0, "none", 0.0, 0, 0.0, "nobody", ())
        self._shown: tuple[tuple[float, ...], Floats | None] = ((), None)

    def push(self, seen: SeenChunk, stats: PictureStats) -> Watched:
        """What the next chunk shows."""
        subject, self._subject = follow(seen, self._subject)
        view, self._view = judge(seen, subject, stats, self._view)
        if subject.switched:
            self._sides = {}
            self._net.another_body(self._past)
        track = _absent(seen) if subject.row is None else seen.person(subject.row)
        track, self._sides = steady_legs(track, self._sides)
        rows = _rows(track)
        found = self._read(seen.frame_pts_s, rows)
        for pts_s, row in zip(seen.frame_pts_s, rows, strict=True):
            if not self._recent or pts_s > self._recent[-1][0]:
                self._recent.append((pts_s, row))
        exercise = "" if found.exercise == "none" else found.exercise
        return Watched(
            subject,
            view,
            exercise,
            found.certainty,
            found.count if exercise else 0,
            found.phase,
            found.view,
            found.repetitions,
            self._meter.level,
            *self._shown,
        )

    def memory(self) -> WatcherMemory:
        """What another process needs to go on, below 10 kB: count and belief, and the last frames to settle on."""
        counted = self._counter.memory()
        rows, figure = [row for _, row in self._recent], self._past.figure
        return {
            **counted,
            **(self._taught.memory() if self._taught else {}),
            "unlikeness": self._meter.level,
            "recent_s": [pts_s for pts_s, _ in self._recent],
            "recent": np.array(rows, np.float16).reshape(len(rows), _ROW),
            **{_SUBJECT + name: value for name, value in self._subject.items()},
            **{_VIEW + name: count for name, count in self._view.items()},
            **{_SIDES + name: values for name, values in self._sides.items()},
            **({_FIGURE + name: value for name, value in figure.memory().items()} if figure else {}),
        }

    def resume(self, memory: Mapping[str, object]) -> None:
        """Goes on from another watcher's `memory`; an empty one changes nothing.

        Raises:
            ValueError: it is about exercises that this release does not know.
        """
        if not memory:
            return
        times, rows = memory["recent_s"], memory["recent"]
        if isinstance(times, list) and isinstance(rows, np.ndarray) and len(times):
            self._read(times, rows.astype(np.float64))
            self._recent.extend(zip(times, rows.astype(np.float64), strict=True))
        # After the frames, whose repetitions and errors are counted already.
        self._counter.resume(memory)
        if self._past.figure is not None:
            self._past.figure.resume(_below(_FIGURE, memory))
        if self._taught is not None:
            self._taught.resume(memory)
        self._meter.level = float(str(memory["unlikeness"]))
        self._subject = {n: float(str(v)) for n, v in _below(_SUBJECT, memory).items()}
        self._view = {n: int(str(v)) for n, v in _below(_VIEW, memory).items()}
        self._sides = {n: [float(x) for x in v] for n, v in _below(_SIDES, memory).items() if isinstance(v, list)}

    def _read(self, pts_s: Sequence[float], rows: Rows) -> ChunkObservation:
        image, world, visibility, presence = _spread(rows)
        times, features = self._grid.push(np.asarray(pts_s, np.float64), image, world, visibility, presence)
        self._shown = ((), None)
        if not len(times):
            return replace(self._last, repetitions=())
        self._meter.push(features)
        if self._taught is not None:
            self._last = observe_taught(self._taught, times, features)
            return self._last
        reading = self._net.read(features, self._past)
        side, there = features[:, SIDE].astype(np.float64), features[:, -1] > 0
        self._shown = (tuple(times.tolist()), reading.shown)
        self._last = self._counter.push(times, reading, side, there)
        return self._last


def _rows(track: LandmarkTrack) -> Rows:
    """[T, 19 * 6 + 1]: the points that features are made of, and presence."""
    points = list(POINTS)
    parts = (track.image_px[:, points], track.world_m[:, points], track.visibility[:, points, None])
    joined = np.concatenate(parts, axis=-1).reshape(len(track), _ROW - 1)
    return np.concatenate([joined, track.presence[:, None]], axis=-1).astype(np.float64)


def _spread(rows: Rows) -> tuple[Rows, Rows, Rows, Rows]:
    """Picture [T,33,2], metres [T,33,3], visibility [T,33] and presence [T] from `_rows`; other points are 0."""
    all_points = np.zeros((len(rows), LANDMARKS, VALUES))
    all_points[:, list(POINTS)] = rows[:, :-1].reshape(len(rows), len(POINTS), VALUES)
    return all_points[..., :2], all_points[..., 2:5], all_points[..., 5], rows[:, -1]


def _below(prefix: str, memory: Mapping[str, object]) -> dict[str, object]:
    return {name.removeprefix(prefix): value for name, value in memory.items() if name.startswith(prefix)}


def _absent(seen: SeenChunk) -> LandmarkTrack:
    """A track without a person, at the chunk's times."""
    frames = len(seen.frame_pts_s)
    times = np.asarray(seen.frame_pts_s, np.float32)

    def nothing(*shape: int) -> Floats:
        return np.zeros((frames, *shape), np.float32)

    return LandmarkTrack(times, nothing(33, 2), nothing(33, 3), nothing(33), nothing(), seen.size_px)
