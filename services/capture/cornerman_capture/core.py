"""The idea of capture: frames in, chunks out. Ties timeline, sampler, window and motion; does no I/O, knows no clock.

raw timestamp -> Timeline -> Sampler -> (only now a picture is made) -> Window -> Cut
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cornerman_capture.motion import grey, motion
from cornerman_capture.sampling import NOMINAL_S, FrameSampler, Timeline
from cornerman_capture.window import Window

Pixels = NDArray[np.uint8]
"""[H, W, 3] RGB."""


@dataclass(frozen=True, slots=True)
class SampledFrame:
    """A sampled frame. Its grey picture is made when it is first needed."""

    pts_s: float
    rgb: Pixels
    _grey: list[NDArray[np.float32]] = field(default_factory=list, repr=False)

    def grey(self) -> NDArray[np.float32]:
        if not self._grey:
            self._grey.append(grey(self.rgb))
        return self._grey[0]


@dataclass(frozen=True, slots=True)
class PendingChunk:
    """Eight frames that are due to become a chunk. `index` counts what was due in this run, dropped or not."""

    index: int
    frames: tuple[SampledFrame, ...]
    available_at_s: float = 0.0  # unix seconds: when the newest frame was there

    @property
    def pts_s(self) -> float:
        """Media time of the newest frame."""
        return self.frames[-1].pts_s

    @property
    def frame_pts_s(self) -> tuple[float, ...]:
        return tuple(frame.pts_s for frame in self.frames)

    def motion(self) -> float:
        """Between the first and the last frame, 0..1."""
        first, last = self.frames[0], self.frames[-1]
        return motion(first.grey(), last.grey()) if first.rgb.shape == last.rgb.shape else 1.0

    def stacked(self) -> NDArray[np.uint8]:
        """[8, H, W, 3], contiguous."""
        return np.stack([frame.rgb for frame in self.frames])


class Chunker:
    """Turns the frames of one run into cuts, and counts.

    Use: `pts_s = chunker.see(raw_s)`; if that is a time, make the picture and `chunker.take(pts_s, rgb)`.

    Args:
        sample_fps: frames sampled a second of media time.
        overlap: frames that a chunk shares with the one before, 0 to 7.
        nominal_s: usual time between two frames, seconds.
    """

    def __init__(self, sample_fps: float, overlap: int, nominal_s: float = NOMINAL_S) -> None:
        self.timeline = Timeline(nominal_s)
        self._sampler = FrameSampler(sample_fps, nominal_s)
        self._window: Window[SampledFrame] = Window(overlap)
        self.captured = 0
        self.sampled = 0
        self.due = 0

    def see(self, raw_s: float | None) -> tuple[float, bool]:
        """Takes note of the next frame: its media time, and whether it is sampled."""
        self.captured += 1
        pts_s = self.timeline.stamp(raw_s)
        return pts_s, self._sampler.wants(pts_s)

    def take(self, pts_s: float, rgb: Pixels, available_at_s: float = 0.0) -> PendingChunk | None:
        """Takes a sampled frame's picture; returns the cut that is due with it, if one is."""
        self.sampled += 1
        if self._window and self._window.newest().rgb.shape != rgb.shape:
            self._window.clear()  # the source changed its size: a chunk is of one size
        frames = self._window.push(SampledFrame(pts_s, rgb))
        if frames is None:
            return None
        self.due += 1
        return PendingChunk(self.due - 1, frames, available_at_s)

    def break_off(self, gap_s: float) -> None:
        """The source was away for `gap_s` seconds: time goes on, chunks start afresh."""
        self.timeline.restart(gap_s)
        self._window.clear()


@dataclass
class ChunkLedger:
    """What became of the cuts of one run: each is published or dropped for a reason, and nothing is forgotten.

    Lossless cuts are never dropped, so their number in the run is their `seq`; live cuts are numbered as published.
    """

    published: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    def drop(self, reason: str, count: int = 1) -> None:
        if count > 0:
            self.dropped[reason] = self.dropped.get(reason, 0) + count

    def has_dropped(self, reason: str, count: int) -> None:
        """So many in all went for this reason, says who counts them elsewhere."""
        if count > 0:
            self.dropped[reason] = count

    def unsettled(self, due: int) -> int:
        """Cuts of the `due` so far that are neither published nor dropped: still in hand."""
        return max(0, due - self.published - sum(self.dropped.values()))

    def counters(self, captured: int, sampled: int, due: int) -> dict[str, int]:
        """As they stand on the bus; `published` is counted there, in the step that publishes."""
        # A run that is continued finds the chunks on the bus again one by one; they were due all the same.
        counts = {"captured": captured, "sampled": sampled, "due": max(due, self.published)}
        return counts | {f"dropped:{reason}": count for reason, count in sorted(self.dropped.items())}
