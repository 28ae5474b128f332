"""The true feedbacks of a session: those of a good coach.

A correction right after a faulty repetition; praise after `PRAISE_AFTER` good ones in a row; otherwise none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cornerman_training.gym.labels import PRAISE_AFTER
from cornerman_training.gym.phrases import PRAISE, choose_wording

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from cornerman_training.gym.kinematics import Array
    from cornerman_training.gym.splits import Split
    from cornerman_training.gym.timeline import MotionSegment

REACTION_S = 0.25  # from the end of a repetition to its feedback


@dataclass(frozen=True, slots=True)
class TimedFeedback:
    """One feedback; `action` is "correct" or "feedback" (praise), `mistake` is empty for praise."""

    time_s: float
    action: str
    text: str
    exercise: str
    mistake: str


def coach(segments: list[MotionSegment], rng: Generator, split: Split) -> tuple[TimedFeedback, ...]:
    """The timed feedbacks of a session, in order of time."""
    out: list[TimedFeedback] = []
    for segment in segments:
        good = 0
        for rep in segment.reps:
            time = round(rep.end_s + REACTION_S, 3)
            if rep.mistake:
                text = choose_wording(rng, rep.exercise, rep.mistake, split)
                out.append(TimedFeedback(time, "correct", text, rep.exercise, rep.mistake))
                good = 0
                continue
            good += 1
            if good == PRAISE_AFTER:
                text = choose_wording(rng, rep.exercise, PRAISE, split)
                out.append(TimedFeedback(time, "feedback", text, rep.exercise, ""))
                good = 0
    return tuple(out)


def streaks(segments: list[MotionSegment], time_s: Array) -> NDArray[np.int64]:
    """Good repetitions in a row since the last praise at the given session times: [T], 0 to `PRAISE_AFTER` - 1."""
    out = np.zeros(len(time_s), dtype=np.int64)
    for segment in segments:
        good = 0
        out[time_s >= segment.start_s] = 0
        for rep in segment.reps:
            good = 0 if rep.mistake else (good + 1) % PRAISE_AFTER
            out[time_s >= rep.end_s] = good
    return out
