"""Fresh chunks and single frames from the gym with everything that is true about them, rendered in a thread.

A chunk is 8 frames at 8 frames/s, as the product makes them; stills are chunks of one frame, for the image tower, which
learns more from many people than from many frames of one. Movements and places are drawn apart, used for a while, and
thrown away.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from cornerman_training.gym.labels import ACTIVITIES
from cornerman_training.gym.render import SessionRenderer
from cornerman_training.gym.session import plan_session
from cornerman_training.sampling import CHUNK, SAMPLE_FPS, SIZE, fault_labels


@dataclass(frozen=True, slots=True)
class Batch:
    """B chunks of T frames, 8 or (stills) 1.

    Attributes:
        frames: [B,T,S,S,3] uint8 RGB.
        joints: [B,T,18,3] float32: x, y in -1..1 of the picture, and depth relative to the pelvis in metres.
        visible: [B,T] whether somebody is in the picture.
        activity: [B,T] int64, index into ACTIVITIES.
        fault: [B,T] int64: 0 good or nothing to judge, 1 + index into FAULTS, IGNORE where it does not show yet.
        phase: [B,T] float32, -1 outside a repetition.
        ended: [B] float32, 1 when a repetition ended within the last half second.
    """

    frames: NDArray[np.uint8]
    joints: NDArray[np.float32]
    visible: NDArray[np.bool_]
    activity: NDArray[np.int64]
    fault: NDArray[np.int64]
    phase: NDArray[np.float32]
    ended: NDArray[np.float32]


# Left joint <-> right joint, to mirror a person.
_MIRROR = [0, 1, 2, 3, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14, 17, 16]


class _Motion:
    """One session's movements, to be put in any place."""

    def __init__(self, seed: int, split: str) -> None:
        self.session = plan_session(seed, split, fps=SAMPLE_FPS, duration_s=20.0)
        self.fault = fault_labels(self.session)
        self.ends = np.array([r.end_s for r in self.session.reps])
        self.lengths, self.colours = self.session.body.lengths(), self.session.body.colours()
        last = np.arange(CHUNK - 1, self.session.frames)
        exercise = self.session.activity[last] < ACTIVITIES.index("rest")
        weight = np.where(exercise, 1.0, 0.4)
        self.last, self.weight = last, weight / weight.sum()

    @cached_property
    def footage(self) -> SessionRenderer:
        """Its own place, for sessions that show no person."""
        return SessionRenderer(self.session, SIZE, compress=True)


def _place(seed: int, split: str) -> SessionRenderer:
    session = plan_session(seed, split, fps=SAMPLE_FPS, duration_s=2.0, kind="exercise")
    return SessionRenderer(session, SIZE, compress=True)


def _draw(
    motions: list[_Motion], places: list[SessionRenderer], rng: np.random.Generator, count: int, length: int
) -> Batch:
    """Random movements in random places: were they tied, a place would give the exercise away."""
    frames = np.empty((count, length, SIZE, SIZE, 3), dtype=np.uint8)
    joints = np.zeros((count, length, 18, 3), dtype=np.float32)
    picks: list[tuple[_Motion, slice]] = []
    ended = np.zeros(count, dtype=np.float32)
    for i in range(count):
        motion = motions[int(rng.integers(len(motions)))]
        place = places[int(rng.integers(len(places)))]
        end = int(rng.choice(motion.last, p=motion.weight))
        row = slice(end - length + 1, end + 1)
        picks.append((motion, row))
        session = motion.session
        # Clothes of somebody else: they too would give the exercise away.
        colours = motions[int(rng.integers(len(motions)))].colours
        mirrored = rng.uniform() < 0.5
        for t, k in enumerate(range(row.start, row.stop)):
            if session.kind == "footage":
                frames[i, t] = motion.footage.frame(k)
                continue
            if not session.visible[k]:
                frames[i, t] = place.empty(k)
                continue
            body = session.joints[k]
            if mirrored:
                body = (body * np.array([-1.0, 1.0, 1.0]))[_MIRROR]
            frames[i, t] = place.compose(body, motion.lengths, colours, bool(session.gear[k]), k)
            points = place.project(body)
            points[:, 2] -= points[0, 2]
            joints[i, t] = points
        now = end / SAMPLE_FPS
        ended[i] = float(np.any((motion.ends > now - 0.5) & (motion.ends <= now)))
    return Batch(
        frames=frames,
        joints=joints,
        visible=np.stack([m.session.visible[r] & (m.session.kind != "footage") for m, r in picks]),
        activity=np.stack([m.session.activity[r] for m, r in picks]),
        fault=np.stack([m.fault[r] for m, r in picks]),
        phase=np.stack([m.session.phase[r] for m, r in picks]).astype(np.float32),
        ended=ended,
    )


class ChunkStream:
    """Endless batches of chunks, or of single frames; a context manager, so that its thread ends.

    Args:
        seed: of the stream.
        split: of the gym.
        batch: chunks a batch.
        length: frames of a chunk, 8, or 1 for single frames.
        pool: movements, and places, in use at a time.
        fresh: movements, and places, replaced after each batch.
        first: number of the first batch, so that a resumed run sees new sessions.
    """

    def __init__(
        self,
        seed: int,
        split: str,
        batch: int,
        length: int = CHUNK,
        pool: int = 64,
        fresh: int = 2,
        first: int = 0,
    ) -> None:
        self._args = (seed, split, batch, length, pool, fresh, first)
        self._queue: queue.Queue[Batch | BaseException] = queue.Queue(maxsize=3)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gym-chunks", daemon=True)

    def __enter__(self) -> ChunkStream:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        while self._thread.is_alive():
            while not self._queue.empty():
                self._queue.get_nowait()
            self._thread.join(timeout=0.1)

    def __iter__(self) -> Iterator[Batch]:
        while True:
            item = self._queue.get()
            if isinstance(item, BaseException):
                raise item
            yield item

    def _run(self) -> None:
        try:
            self._produce()
        except BaseException as error:  # handed to the consumer, who raises it
            self._queue.put(error)

    def _produce(self) -> None:
        seed, split, batch, length, size, fresh, first = self._args
        rng = np.random.default_rng([seed, first, 77])

        def draw() -> int:
            return int(rng.integers(1 << 31))

        motions = [_Motion(draw(), split) for _ in range(size)]
        places = [_place(draw(), split) for _ in range(size)]
        while not self._stop.is_set():
            item = _draw(motions, places, rng, batch, length)
            motions = [*motions[fresh:], *(_Motion(draw(), split) for _ in range(fresh))]
            places = [*places[fresh:], *(_place(draw(), split) for _ in range(fresh))]
            while not self._stop.is_set():
                try:
                    self._queue.put(item, timeout=0.2)
                    break
                except queue.Full:
                    continue


def validation_batches(batch: int, length: int) -> list[Batch]:
    """Four batches of held-out people, the same ones every time."""
    with ChunkStream(5, "validation", batch, length, pool=batch, fresh=batch // 2) as stream:
        return [chunks for chunks, _ in zip(stream, range(4), strict=False)]
