"""The coach on skeletons as `people_eval` and a decider see it: chunks of people in, observations out."""

from __future__ import annotations

import numpy as np

from cornerman_pose.landmarks import SeenChunk
from cornerman_pose.people_eval.coach import Observations, RepEnd, Spoken
from cornerman_pose.reader import MovementReader, bundled_net
from cornerman_pose.repetitions import ChunkObservation, CountingSettings, RepetitionSeen
from cornerman_pose.subject import SubjectState, follow
from cornerman_pose.temporal import TemporalNet


class SkeletonCoach:
    """Follows one person of a source and judges their repetitions.

    Args:
        net: the temporal half; the bundled one when None.
        settings: thresholds of the decisions.
    """

    def __init__(self, net: TemporalNet | None = None, settings: CountingSettings | None = None) -> None:
        self._reader = MovementReader(net or bundled_net(), settings)
        self._subject: SubjectState = {}

    def observe(self, seen: SeenChunk, /) -> Observations:
        """What it makes of the next chunk."""
        return as_observations(self.read(seen))

    def read(self, seen: SeenChunk) -> ChunkObservation | None:
        """The same with phase, view, probabilities and landmarks; None when the chunk completes no frame."""
        subject, self._subject = follow(seen, self._subject)
        count = len(seen.frame_pts_s)
        row = subject.row
        if row is None:
            return self._reader.push(
                np.asarray(seen.frame_pts_s, dtype=np.float64),
                np.zeros((count, 33, 2)),
                np.zeros((count, 33, 3)),
                np.zeros((count, 33)),
                np.zeros(count),
            )
        return self._reader.push(
            np.asarray(seen.frame_pts_s, dtype=np.float64),
            seen.image_px[row].astype(np.float64),
            seen.world_m[row].astype(np.float64),
            seen.visibility[row].astype(np.float64),
            seen.presence[row].astype(np.float64),
        )

    def finish(self) -> Observations:
        """What the end of the source decides: a last repetition cut by it."""
        return as_observations(self._reader.finish())

    def end(self) -> tuple[RepetitionSeen, ...]:
        """The same as repetitions."""
        made = self._reader.finish()
        return made.repetitions if made else ()


def as_observations(made: ChunkObservation | None) -> Observations:
    """Observations as the evaluation counts them; a named mistake is a correction said at once."""
    if made is None:
        return Observations()
    ends = tuple(RepEnd(rep.end_s, rep.exercise, tuple(m.rule.name for m in rep.mistakes)) for rep in made.repetitions)
    spoken = tuple(
        Spoken(rep.end_s, "correct", "", rep.exercise, m.rule.name)
        for rep in made.repetitions
        for m in rep.mistakes[:1]
    )
    exercise = "" if made.exercise == "none" else made.exercise
    return Observations(exercise, tuple(name for end in ends for name in end.mistakes), ends, spoken)
