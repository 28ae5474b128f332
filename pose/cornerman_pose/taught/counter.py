"""Counts own exercises in a stream of frames, causally and with bounded work. Pure: only media time."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.channels import FPS
from cornerman_pose.taught.embedding import Embedder
from cornerman_pose.taught.exercise import TaughtExercise
from cornerman_pose.taught.judging import TaughtVerdict, judge
from cornerman_pose.taught.likeness import Likeness, likeness
from cornerman_pose.taught.other_side import mirrored
from cornerman_pose.taught.progress import ProgressFollower, Turn, progress_axis

Array = NDArray[np.float64]

ALONG: Final = 0.68
"""Cosine between the way of a repetition and that of a prototype, at least; other motion is seldom above 0.5."""

GAIN: Final = 0.3
"""A repetition goes so far of a prototype's way, at least."""

SET_S: Final = 12.0
"""A pause of so long begins a new set."""

_FASTER: Final = 0.4
_SLOWER: Final = 2.5
_SAME_SIDE: Final = 0.9  # cosine from which a movement and its mirror image are one
_WAIT: Final = 2  # frames in which another exercise, or the other side, may turn out to be more alike
_OVERLAP: Final = 2  # frames
_AWAY: Final = 8  # frames without the person that end what was under way
_FRAMES: Final = 256


@dataclass(frozen=True, slots=True)
class TaughtRepetition:
    """A finished repetition of an own exercise; `cost` is its distance as a part of the movement that was shown."""

    exercise: TaughtExercise
    number: int
    start_s: float
    end_s: float
    cost: float
    verdict: TaughtVerdict


@dataclass(frozen=True, slots=True)
class _Watched:
    exercise: TaughtExercise
    seconds: tuple[float, float]
    followers: tuple[ProgressFollower, ...]


@dataclass(frozen=True, slots=True)
class _Candidate:
    exercise: TaughtExercise
    turn: Turn
    like: Likeness
    span_s: tuple[float, float]
    at: int  # frame in which it was found


class TaughtCounter:
    """Follows one source.

    Args:
        exercises: to look for, on either side of the body.
        along: as `ALONG`.
    """

    def __init__(self, exercises: tuple[TaughtExercise, ...], along: float = ALONG) -> None:
        self._along = along
        self._watched = [_watched(one) for one in exercises]
        self._embedder = Embedder()
        self._frames: deque[tuple[int, float, Array]] = deque(maxlen=_FRAMES)
        self._best: _Candidate | None = None
        self._number = 0
        self._last = 0
        self._away = 0
        self.exercise = ""
        self.count = 0
        self._ended_s = 0.0

    def push(self, times_s: Array, features: NDArray[np.float32]) -> tuple[TaughtRepetition, ...]:
        """Repetitions that end within K frames [K, COUNT] on the grid."""
        out = []
        for k, now_s in enumerate(times_s):
            if self.exercise and now_s - self._ended_s > SET_S:
                self.exercise, self.count = "", 0
            if features[k, -1] <= 0:
                self._away += 1
                if self._away == _AWAY:
                    self._forget()
                continue
            self._away = 0
            self._number += 1
            row = self._embedder.push(features[k : k + 1])[0]
            self._frames.append((self._number, float(now_s), row))
            for one in self._watched:
                for follower in one.followers:
                    turn = follower.push(row, self._number)
                    if turn is not None:
                        self._consider(one, turn)
            if self._best is not None and (self._number - self._best.at >= _WAIT or not self._under_way(self._best)):
                out.append(self._counted(self._best))
        return tuple(out)

    @property
    def phase(self) -> float:
        """0..1 of the repetition that is most probably under way."""
        followers = [follower for one in self._watched for follower in one.followers]
        return max(followers, key=lambda one: one.height).phase if followers else 0.0

    def memory(self) -> dict[str, float | str]:
        """What another process needs to go on with the set."""
        return {"taught.exercise": self.exercise, "taught.count": self.count, "taught.ended_s": self._ended_s}

    def resume(self, memory: Mapping[str, object]) -> None:
        """Goes on from another counter's `memory`."""
        self.exercise = str(memory.get("taught.exercise", ""))
        self.count = int(float(str(memory.get("taught.count", 0))))
        self._ended_s = float(str(memory.get("taught.ended_s", 0.0)))

    def _consider(self, watched: _Watched, turn: Turn) -> None:
        """Keeps a turn that is like the exercise, and more so than another one of the same time."""
        shortest, longest = watched.seconds
        if turn.first < self._last - _OVERLAP or not shortest <= (turn.last - turn.first) / FPS <= longest:
            return
        frames = [(t, row) for number, t, row in self._frames if turn.first <= number <= turn.last]
        like = likeness(watched.exercise, np.stack([row for _, row in frames]))
        if like.along < self._along or like.gain < GAIN:
            return
        if self._best is None or like.cost < self._best.like.cost:
            self._best = _Candidate(watched.exercise, turn, like, (frames[0][0], frames[-1][0]), self._number)

    def _under_way(self, best: _Candidate) -> bool:
        """Another exercise, or the other side, may turn out to be more alike in the same time."""
        since = [follower.since for one in self._watched for follower in one.followers]
        return any(first is not None and first < best.turn.last - _OVERLAP for first in since)

    def _counted(self, best: _Candidate) -> TaughtRepetition:
        start_s, end_s = best.span_s
        self._best, self._last = None, best.turn.last
        self.count = self.count + 1 if best.exercise.name == self.exercise else 1
        self.exercise, self._ended_s = best.exercise.name, end_s
        verdict = judge(best.exercise, best.like.rows, end_s - start_s)
        return TaughtRepetition(best.exercise, self.count, start_s, end_s, best.like.cost, verdict)

    def _forget(self) -> None:
        self._best = None
        self._embedder.forget()
        for one in self._watched:
            for follower in one.followers:
                follower.forget()


def _watched(exercise: TaughtExercise) -> _Watched:
    shortest = min(one.seconds[0] for one in exercise.prototypes) * _FASTER
    longest = max(one.seconds[1] for one in exercise.prototypes) * _SLOWER
    axis = progress_axis(exercise)
    other = mirrored(axis)
    same = float(axis @ other) > _SAME_SIDE * float(axis @ axis)
    sides = (axis,) if same else (axis, other)
    return _Watched(exercise, (shortest, longest), tuple(ProgressFollower(side) for side in sides))
