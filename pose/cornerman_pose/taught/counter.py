"""Counts own exercises in a stream of frames, causally and with bounded work. Pure: only media time."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.channels import FPS
from cornerman_pose.taught.alignment import warped
from cornerman_pose.taught.embedding import Embedder
from cornerman_pose.taught.exercise import Prototype, TaughtExercise
from cornerman_pose.taught.judging import TaughtVerdict, judge
from cornerman_pose.taught.matching import PrototypeFollower
from cornerman_pose.taught.metric import learning_weights, matching_weights

Array = NDArray[np.float64]

LIKE: Final = 0.55
"""A repetition costs less than this part of what standing still costs."""

ALONG: Final = 0.72
"""Cosine between the way of a repetition and that of a prototype, at least; other motion is seldom above 0.5."""

GAIN: Final = 0.3
"""A repetition goes so far of a prototype's way, at least."""

AT_END: Final = 0.5
"""It has ended when the pose is nearer to the last one than this part of the same."""

SET_S: Final = 12.0
"""A pause of so long begins a new set."""

_FASTER: Final = 0.4
_SLOWER: Final = 2.5
_WAIT: Final = 2  # frames in which no better end comes
_LATEST: Final = 4  # frames after the first end: rest after a repetition makes ever better ones
_AWAY: Final = 8  # frames without the person that end what was under way
_FRAMES: Final = 256


@dataclass(frozen=True, slots=True)
class TaughtRepetition:
    """A finished repetition of an own exercise; `cost` is a part of what standing still costs."""

    exercise: TaughtExercise
    number: int
    start_s: float
    end_s: float
    cost: float
    verdict: TaughtVerdict


@dataclass(slots=True)
class _Followed:
    follower: PrototypeFollower
    still: float  # what standing still costs
    seconds: tuple[float, float]


@dataclass(slots=True)
class _Watched:
    exercise: TaughtExercise
    followed: list[_Followed]
    at_end: float
    moves: Array  # [D] weights of the way
    pending: tuple[float, int, int] | None = None  # cost, first and last frame
    waited: int = 0
    since: int = 0  # frame of the first end


class TaughtCounter:
    """Follows one source.

    Args:
        exercises: to look for.
        like: as `LIKE`.
    """

    def __init__(self, exercises: tuple[TaughtExercise, ...], like: float = LIKE) -> None:
        self._like = like
        self._watched = [_watched(one) for one in exercises]
        self._embedder = Embedder()
        self._frames: deque[tuple[int, float, Array]] = deque(maxlen=_FRAMES)
        self._number = 0
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
                    self._forget(self._number + 1)
                    self._embedder.forget()
                continue
            self._away = 0
            self._number += 1
            row = self._embedder.push(features[k : k + 1])[0]
            self._frames.append((self._number, float(now_s), row))
            for one in self._watched:
                self._follow(one, row)
            found = self._take()
            if found is not None:
                out.append(found)
        return tuple(out)

    @property
    def phase(self) -> float:
        """0..1 of the repetition that is most probably under way."""
        followers = [followed.follower for one in self._watched for followed in one.followed]
        return min(followers, key=lambda one: one.under_way[0]).under_way[1] if followers else 0.0

    def memory(self) -> dict[str, float | str]:
        """What another process needs to go on with the set."""
        return {"taught.exercise": self.exercise, "taught.count": self.count, "taught.ended_s": self._ended_s}

    def resume(self, memory: Mapping[str, object]) -> None:
        """Goes on from another counter's `memory`."""
        self.exercise = str(memory.get("taught.exercise", ""))
        self.count = int(float(str(memory.get("taught.count", 0))))
        self._ended_s = float(str(memory.get("taught.ended_s", 0.0)))

    def _follow(self, one: _Watched, row: Array) -> None:
        one.waited += 1
        for followed in one.followed:
            match = followed.follower.push(row, self._number)
            cost, seconds = match.cost / followed.still, (self._number - match.start) / FPS
            ended = match.at_end < one.at_end and followed.seconds[0] <= seconds <= followed.seconds[1]
            if ended and cost < min(self._like, one.pending[0] if one.pending else np.inf):
                one.since = one.since if one.pending else self._number
                one.pending, one.waited = (cost, match.start, self._number), 0

    def _take(self) -> TaughtRepetition | None:
        """The repetition that no better end can replace any more."""
        waiting = [one for one in self._watched if one.pending is not None]
        if not waiting:
            return None
        best = min(waiting, key=lambda one: one.pending[0] if one.pending else np.inf)
        if best.pending is None or (best.waited < _WAIT and self._number - best.since < _LATEST):
            return None
        cost, start, end = best.pending
        frames = [(t, row) for number, t, row in self._frames if start <= number <= end]
        rows = np.stack([row for _, row in frames])
        if not any(_goes_along(rows, one, best.moves) for one in best.exercise.prototypes):
            self._forget(start + 1)
            return None
        self._forget(end)
        start_s, end_s = frames[0][0], frames[-1][0]
        verdict = judge(best.exercise, rows, end_s - start_s)
        self.count = self.count + 1 if best.exercise.name == self.exercise else 1
        self.exercise, self._ended_s = best.exercise.name, end_s
        return TaughtRepetition(best.exercise, self.count, start_s, end_s, cost, verdict)

    def _forget(self, before: int) -> None:
        for one in self._watched:
            one.pending, one.waited = None, 0
            for followed in one.followed:
                followed.follower.forget(before)


def _goes_along(rows: Array, prototype: Prototype, moves: Array) -> bool:
    scale = np.sqrt(moves)
    x, y = (
        (one - one[[0, -1]].mean(0)) * scale
        for one in (warped(rows, prototype.steps, learning_weights()), prototype.steps)
    )
    both, own, shown = float(np.sum(x * y)), float(np.sum(x * x)), float(np.sum(y * y))
    return both > ALONG * np.sqrt(own * shown) and both > GAIN * shown


def _watched(exercise: TaughtExercise) -> _Watched:
    moves, poses = matching_weights(exercise.good.steps, exercise.good.spread)
    followed = []
    for one in exercise.prototypes:
        still = (np.square(one.steps - one.steps[0]) * (moves + poses)).sum(1)
        follower = PrototypeFollower(one.steps, moves, poses, 2.0 * float(still.max()))
        shortest, longest = one.seconds
        followed.append(_Followed(follower, max(float(still.mean()), 1e-6), (shortest * _FASTER, longest * _SLOWER)))
    return _Watched(exercise, followed, AT_END * followed[0].still, moves)
