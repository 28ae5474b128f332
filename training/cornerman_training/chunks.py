"""Streams random chunks and single frames of the gym with their labels, rendered in a thread.

A chunk is 8 frames at 8 frames/s, as in the product. Stills are chunks of one frame, for the image tower, which learns
more from many people than from many frames of one. Motions and backgrounds are drawn independently and replaced after
a while.
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
        visible: [B,T] whether a person is in the picture.
        activity: [B,T] int64, index into ACTIVITIES.
        fault: [B,T] int64, see `sampling.fault_labels`.
        phase: [B,T] float32, -1 outside a repetition.
        ended: [B] float32, 1 if a repetition ended within the last half second.
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
    """The motion of one session, for any background."""

    def __init__(self, seed: int, split: str) -> None:
        self.session = plan_session(seed, split, fps=SAMPLE_FPS, duration_s=20.0)
        self.fault = fault_labels(self.session)
        self.ends = np.array([r.end_s for r in self.session.reps])
        self.lengths, self.colours = self.session.body.lengths(), self.session.body.colours()
        last = np.arange(CHUNK - 1, self.session.frames)
        exercise = self.session.activity[last] < ACTIVITIES.index("rest")
        # Rest and other motion are drawn less often than exercises.
        weight = np.where(exercise, 1.0, 0.4)
        self.last, self.weight = last, weight / weight.sum()

    @cached_property
    def footage(self) -> SessionRenderer:
        """Renders its own background, for sessions without a person."""
        return SessionRenderer(self.session, SIZE, compress=True)


def _background(seed: int, split: str) -> SessionRenderer:
    session = plan_session(seed, split, fps=SAMPLE_FPS, duration_s=2.0, kind="exercise")
    return SessionRenderer(session, SIZE, compress=True)


def _draw(
    motions: list[_Motion], backgrounds: list[SessionRenderer], rng: np.random.Generator, count: int, length: int
) -> Batch:
    """Draws random motions in random backgrounds, independently: the background must not predict the exercise."""
    frames = np.empty((count, length, SIZE, SIZE, 3), dtype=np.uint8)
    joints = np.zeros((count, length, 18, 3), dtype=np.float32)
    picks: list[tuple[_Motion, slice]] = []
    ended = np.zeros(count, dtype=np.float32)
    for i in range(count):
        motion = motions[int(rng.integers(len(motions)))]
        background = backgrounds[int(rng.integers(len(backgrounds)))]
        end = int(rng.choice(motion.last, p=motion.weight))
        row = slice(end - length + 1, end + 1)
        picks.append((motion, row))
        session = motion.session
        # Clothes of another person, for the same reason.
        colours = motions[int(rng.integers(len(motions)))].colours
        mirrored = rng.uniform() < 0.5
        for t, k in enumerate(range(row.start, row.stop)):
            if session.kind == "footage":
                frames[i, t] = motion.footage.frame(k)
                continue
            if not session.visible[k]:
                frames[i, t] = background.empty(k)
                continue
            body = session.joints[k]
            if mirrored:
                # Mirrored in the room, before the camera, so that light and background stay.
                body = (body * np.array([-1.0, 1.0, 1.0]))[_MIRROR]
            frames[i, t] = background.compose(body, motion.lengths, colours, bool(session.gear[k]), k)
            points = background.project(body)  # [18, 3]
            points[:, 2] -= points[0, 2]  # relative to the pelvis
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
    """Yields batches of chunks, or of single frames, endlessly; a context manager that ends its thread.

    Args:
        seed: of the stream.
        split: of the gym.
        batch: chunks a batch.
        length: frames of a chunk, 8, or 1 for single frames.
        pool: motions, and backgrounds, in use at a time.
        fresh: motions, and backgrounds, replaced after each batch.
        first: index of the first batch, so that a resumed run draws new sessions.
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
        # Three batches ahead: rendering varies, and a batch of 128 stills is 5 MB.
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
        # The thread may be blocked in `put`: drain the queue until it ends.
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
        except BaseException as error:  # raised by the consumer
            self._queue.put(error)

    def _produce(self) -> None:
        seed, split, batch, length, size, fresh, first = self._args
        rng = np.random.default_rng([seed, first, 77])

        def draw() -> int:
            return int(rng.integers(1 << 31))

        motions = [_Motion(draw(), split) for _ in range(size)]
        backgrounds = [_background(draw(), split) for _ in range(size)]
        while not self._stop.is_set():
            item = _draw(motions, backgrounds, rng, batch, length)
            motions = [*motions[fresh:], *(_Motion(draw(), split) for _ in range(fresh))]
            backgrounds = [*backgrounds[fresh:], *(_background(draw(), split) for _ in range(fresh))]
            # With a timeout, so that `__exit__` can end a thread that waits for a full queue.
            while not self._stop.is_set():
                try:
                    self._queue.put(item, timeout=0.2)
                    break
                except queue.Full:
                    continue


def validation_batches(batch: int, length: int) -> list[Batch]:
    """Four batches of the validation split, the same every time."""
    with ChunkStream(5, "validation", batch, length, pool=batch, fresh=batch // 2) as stream:
        return [chunks for chunks, _ in zip(stream, range(4), strict=False)]
