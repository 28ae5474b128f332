"""Interface of the coach under test: chunks of landmarks in, observations out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from cornerman_pose.landmarks import SeenChunk

SpokenKind = Literal["correct", "feedback", "view"]


@dataclass(frozen=True, slots=True)
class RepEnd:
    """A repetition that the coach counted.

    Attributes:
        t_s: media time of its end, seconds.
        exercise: of which exercise.
        mistakes: named for this repetition.
    """

    t_s: float
    exercise: str
    mistakes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Spoken:
    """Something that the coach said.

    Attributes:
        t_s: media time, seconds.
        kind: "correct" names a mistake, "feedback" praises or counts, "view" asks to be shown more.
        text: the words.
        exercise: what it is about; empty = unknown.
        mistake: the mistake it names; empty = none.
    """

    t_s: float
    kind: SpokenKind
    text: str = ""
    exercise: str = ""
    mistake: str = ""


@dataclass(frozen=True, slots=True)
class Observations:
    """What the coach makes of one chunk.

    Attributes:
        exercise: its decision; empty = no exercise.
        mistakes: that it sees now; what counts as named is what it says of a repetition or aloud.
        ends: repetitions that ended.
        spoken: what it said.
    """

    exercise: str = ""
    mistakes: tuple[str, ...] = ()
    ends: tuple[RepEnd, ...] = ()
    spoken: tuple[Spoken, ...] = ()


class PersonCoach(Protocol):
    """Watches one clip from its beginning; each clip gets a coach of its own."""

    def observe(self, seen: SeenChunk, /) -> Observations:
        """What it makes of the next chunk."""


@runtime_checkable
class FinishingCoach(Protocol):
    """A coach that learns when its clip is over."""

    def finish(self) -> Observations:
        """What the end of the clip decides: a last repetition cut by it."""


@dataclass(frozen=True, slots=True)
class Decided:
    """The decision about a chunk and the time of its newest frame, seconds."""

    t_s: float
    exercise: str


@dataclass(frozen=True, slots=True)
class ClipRun:
    """Everything that a coach made of a clip.

    Attributes:
        decisions: one a chunk, and one more if the end of the clip decided something.
        ends: in order of time.
        spoken: in order of time.
        seen_s: first and last media time that the coach saw, seconds.
        found: share of frames with a person in them.
    """

    decisions: tuple[Decided, ...]
    ends: tuple[RepEnd, ...]
    spoken: tuple[Spoken, ...]
    seen_s: tuple[float, float]
    found: float


def watch(coach: PersonCoach, chunks: Iterable[SeenChunk]) -> ClipRun:
    """Shows a clip to a coach, and tells it when the clip is over if it wants to know."""
    decisions: list[Decided] = []
    ends: list[RepEnd] = []
    spoken: list[Spoken] = []
    first_s = last_s = 0.0
    with_person = frames = 0
    for number, seen in enumerate(chunks):
        first_s = seen.frame_pts_s[0] if number == 0 else first_s
        last_s = seen.frame_pts_s[-1]
        with_person += int(seen.found.any(axis=0).sum()) if seen.people else 0
        frames += len(seen.frame_pts_s)
        made = coach.observe(seen)
        decisions.append(Decided(last_s, made.exercise))
        ends += made.ends
        spoken += made.spoken
    if frames and isinstance(coach, FinishingCoach) and (last := coach.finish()) != Observations():
        decisions.append(Decided(last_s, last.exercise))
        ends += last.ends
        spoken += last.spoken
    ends.sort(key=lambda end: end.t_s)
    spoken.sort(key=lambda one: one.t_s)
    share = with_person / frames if frames else 0.0
    return ClipRun(tuple(decisions), tuple(ends), tuple(spoken), (first_s, last_s), share)
