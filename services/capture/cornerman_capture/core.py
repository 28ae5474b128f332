"""Turns frames into looks: timeline, choice of frames, cut and motion combined. Pure: no I/O, no clock.

raw timestamp -> TimeRepair -> LookCutter -> (the frame is converted only now) -> LookCutter -> PendingChunk
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from cornerman_capture.motion import grey, motion, thumbnail
from cornerman_media.timestamps import NOMINAL_S, TimeRepair

if TYPE_CHECKING:
    from cornerman_common.looks import LookPlan
    from cornerman_shared.bus.messages import Look

T = TypeVar("T")

DROPPED = "dropped:"
"""Prefix of the counters of dropped chunks; the reason follows."""

DropReason = Literal["no_credit", "server_full", "behind", "failover", "stopped"]
"""Why a chunk is not published; the runbook says what each one tells an operator."""

Pixels = NDArray[np.uint8]
"""[H, W, 3] RGB."""


class LookCutter(Protocol[T]):
    """Chooses frames and cuts looks from them; see `looks`."""

    @property
    def plan(self) -> LookPlan:
        """How it cuts."""

    def wants(self, pts_s: float) -> bool:
        """Whether the frame at this media time is needed; call once for each frame, in order."""

    def push(self, pts_s: float, item: T) -> tuple[T, ...] | None:
        """Adds a frame that is needed; returns the look that it completes, oldest first, if one is due."""

    def finish(self) -> tuple[T, ...] | None:
        """At the end of a file: a look that is due when its last frame has been shown."""

    def clear(self) -> None:
        """Drops what is held: the source broke off, or its frames changed."""

    def newest(self) -> T | None:
        """The item added last; None = nothing is held."""


@dataclass(frozen=True, slots=True)
class DecodePlan:
    """How to decode a run.

    Attributes:
        look: how looks are cut.
        lossless: wait for room in the queue instead of dropping chunks.
        realtime: pace files at media speed.
        loop: start a file again at its end.
        can_fail: give up after some attempts (files, also remote ones), unlike a camera.
        give_up_s: give up a source that never gave a frame this long after its first error; 0 = never.
        skip: chunks that are on the bus already, in a continued lossless run; it is decoded from its start.
        continues: where an earlier process of the run stopped, if it is not decoded from its start.
        late_s: wait so long before the source is opened for the first time, seconds.
    """

    look: LookPlan
    lossless: bool
    realtime: bool
    loop: bool
    can_fail: bool
    give_up_s: float = 0.0
    skip: int = 0
    continues: Continuation | None = None
    late_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Continuation:
    """Where an earlier process of the run stopped.

    Attributes:
        pts_s: media time of the newest chunk on the bus, seconds.
        away_s: seconds since it was published.
        chunks: chunks on the bus.
    """

    pts_s: float
    away_s: float
    chunks: int


@dataclass(frozen=True, slots=True)
class SampledFrame:
    """A sampled frame. Its grey picture is computed at first use."""

    pts_s: float
    rgb: Pixels
    _grey: list[NDArray[np.float32]] = field(default_factory=list, repr=False)

    def grey(self) -> NDArray[np.float32]:
        """The frame as a small grey picture, [64, 64], 0..255."""
        if not self._grey:
            self._grey.append(grey(self.rgb))
        return self._grey[0]


@dataclass(frozen=True, slots=True)
class PendingChunk:
    """The frames of one look, which become a chunk message if they are published.

    Attributes:
        index: number within the run, counting dropped ones too.
        frames: oldest first; 8 of a chunk.
        available_at_s: when the newest frame was decoded, unix seconds.
        look: its kind.
    """

    index: int
    frames: tuple[SampledFrame, ...]
    available_at_s: float = 0.0
    look: Look = "chunk"

    @property
    def pts_s(self) -> float:
        """Media time of the newest frame, seconds."""
        return self.frames[-1].pts_s

    @property
    def frame_pts_s(self) -> tuple[float, ...]:
        """Media time of every frame, seconds."""
        return tuple(frame.pts_s for frame in self.frames)

    def motion(self) -> float:
        """Mean absolute difference of first and last frame, 0..1; 1.0 if their sizes differ."""
        first, last = self.frames[0], self.frames[-1]
        return motion(first.grey(), last.grey()) if first.rgb.shape == last.rgb.shape else 1.0

    def thumbnail(self) -> NDArray[np.uint8]:
        """The newest frame as a small picture, [64, 64, 3], to compare looks."""
        return thumbnail(self.frames[-1].rgb)

    def stacked(self) -> NDArray[np.uint8]:
        """Frames as one contiguous array, [n, H, W, 3]."""
        return np.stack([frame.rgb for frame in self.frames])


class Chunker:
    """Turns the frames of one run into pending chunks and counts them.

    Call `stamp` for every frame, in order; for a sampled frame, convert it and call `push`.

    Args:
        looks: chooses frames and cuts looks.
        nominal_s: usual time between two frames, seconds.
        first_s: media time of the first frame, seconds.
        first_index: number of the first chunk.

    Attributes:
        looks: may be replaced between two frames.
        captured: frames so far.
        sampled: frames sampled so far.
        due: pending chunks so far.
    """

    def __init__(
        self,
        looks: LookCutter[SampledFrame],
        nominal_s: float = NOMINAL_S,
        *,
        first_s: float = 0.0,
        first_index: int = 0,
    ) -> None:
        self.timeline = TimeRepair(nominal_s, first_s)
        self._first_index = first_index
        self.looks = looks
        self.captured = 0
        self.sampled = 0
        self.due = 0

    def stamp(self, raw_s: float | None, duration_s: float = 0.0) -> tuple[float, bool]:
        """Registers the next frame, shown for `duration_s` (0 = unknown).

        Returns its media time, seconds, and whether it is sampled.
        """
        self.captured += 1
        pts_s = self.timeline.stamp(raw_s, duration_s)
        return pts_s, self.looks.wants(pts_s)

    def push(self, pts_s: float, rgb: Pixels, available_at_s: float = 0.0) -> PendingChunk | None:
        """Adds a sampled frame; returns the pending chunk that it completes, if any."""
        self.sampled += 1
        newest = self.looks.newest()
        if newest is not None and newest.rgb.shape != rgb.shape:
            self.looks.clear()  # the picture size changed, and all frames of a look have one size
        return self._pending(self.looks.push(pts_s, SampledFrame(pts_s, rgb)), available_at_s)

    def finish(self, available_at_s: float = 0.0) -> PendingChunk | None:
        """The file has ended: the pending chunk that its last frame completes by being shown, if any."""
        return self._pending(self.looks.finish(), available_at_s)

    def _pending(self, frames: tuple[SampledFrame, ...] | None, available_at_s: float) -> PendingChunk | None:
        if frames is None:
            return None
        self.due += 1
        return PendingChunk(self._first_index + self.due - 1, frames, available_at_s, self.looks.plan.kind)

    def pass_over(self) -> None:
        """The frame just stamped is left out: what was held before it is dropped."""
        self.looks.clear()

    def restart(self, gap_s: float) -> None:
        """Continues after `gap_s` seconds without frames: media time advances, no look spans the gap."""
        self.timeline.restart(gap_s)
        self.looks.clear()


@dataclass
class ChunkCounts:
    """Counts of the pending chunks of one run: published, or dropped by reason.

    Lossless chunks are never dropped, so their `index` is their `seq`; live chunks get their `seq` when published.

    Attributes:
        published: chunks of the run, those of earlier processes among them.
        dropped: by reason, by this process.
        earlier: counters that earlier processes of the run wrote, which this one adds to.
    """

    published: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    earlier: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def continued(cls, published: int, earlier: Mapping[str, int]) -> ChunkCounts:
        """Counts of a run whose process ended: what it had not published is dropped as `stopped`."""
        settled = published + sum(n for name, n in earlier.items() if name.startswith(DROPPED))
        due = max(earlier.get("due", 0), settled)
        stopped = f"{DROPPED}stopped"
        counts = {**earlier, "due": due, stopped: earlier.get(stopped, 0) + due - settled}
        return cls(published, earlier={name: count for name, count in counts.items() if count})

    def drop(self, reason: DropReason, count: int = 1) -> None:
        """Counts dropped chunks."""
        if count > 0:
            self.dropped[reason] = self.dropped.get(reason, 0) + count

    def set_dropped(self, reason: DropReason, count: int) -> None:
        """Sets the total of a reason that is counted elsewhere."""
        if count > 0:
            self.dropped[reason] = count

    def close(self, due: int, published: int) -> None:
        """Ends the count: `published` as the server counted them, and what is left of the `due` chunks as stopped.

        May be called again, with a higher `published`.
        """
        self.published = published
        before = self.dropped.pop("stopped", None)
        left = self.pending(due)
        if left or before is not None:
            self.dropped["stopped"] = left

    def pending(self, due: int) -> int:
        """How many of the `due` chunks of this process and those before are neither published nor dropped yet."""
        dropped = sum(self.dropped.values()) + sum(n for name, n in self.earlier.items() if name.startswith(DROPPED))
        return max(0, self.earlier.get("due", 0) + due - self.published - dropped)

    def counters(self, captured: int, sampled: int, due: int) -> dict[str, int]:
        """Counters for the bus, without `published`, which the publish script counts."""
        counts = {"captured": captured, "sampled": sampled, "due": due}
        counts |= {DROPPED + reason: count for reason, count in sorted(self.dropped.items())}
        for name, count in self.earlier.items():
            if name in ("captured", "sampled", "due") or name.startswith(DROPPED):
                counts[name] = counts.get(name, 0) + count
        # A continued lossless run decodes again what was published before, so `due` lags behind at first.
        return counts | {"due": max(counts["due"], self.published)}
