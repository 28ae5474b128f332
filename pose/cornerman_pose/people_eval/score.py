"""Scores a coach on one clip. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cornerman_pose.people_eval.clips import LabelledClip, VisibleMistake
from cornerman_pose.people_eval.coach import ClipRun, Spoken
from cornerman_pose.people_eval.names import exercise_name, mistake_name

EARLY_S: Final = 0.7
LATE_S: Final = 1.1
"""An end is hit from so much before a label to so much after; labels by eye are good to 0.4 s."""

CUT_S: Final = 0.3
"""A repetition counts when it ends no later than this after the last frame that was seen."""

PRAISE_S: Final = 3.0
"""Praise is about a repetition that ended so long ago at most."""

SPAN_S: Final = 1.5
"""A mistake is named up to so long after the span in which it is visible."""


@dataclass(frozen=True, slots=True)
class MistakeFound:
    """Whether a visible mistake was named, and if not, why not."""

    label: str
    found: bool
    why: str


@dataclass(frozen=True, slots=True)
class ClipScore:
    """One clip judged.

    Attributes:
        got: exercise that most of the coach's decisions about an exercise name; empty = it named none, or two equally.
        share: of all decisions that name an exercise.
        reps: labelled repetitions that were seen to their end; None = not labelled.
        said: ends that the coach counted.
        hits: (label, said) seconds of the ends that were hit.
        false_ends: seconds of the others.
        named: mistakes that it named, each once.
        false_corrections: corrections about what is not there.
        apt: sentences that are right.
        mistakes: the visible ones.
        minutes: that the coach saw.
    """

    clip: LabelledClip
    run: ClipRun
    got: str
    share: float
    reps: int | None
    said: int
    hits: tuple[tuple[float, float], ...]
    false_ends: tuple[float, ...]
    named: tuple[str, ...]
    false_corrections: tuple[Spoken, ...]
    apt: tuple[Spoken, ...]
    mistakes: tuple[MistakeFound, ...]
    minutes: float

    @property
    def right(self) -> bool:
        """Whether the exercise is the labelled one."""
        return bool(self.clip.exercise) and self.got == self.clip.exercise

    @property
    def stayed_quiet(self) -> bool:
        """Whether nothing was counted and nothing said about form; asking to be shown more does not count."""
        return not self.said and not any(one.kind != "view" for one in self.run.spoken)

    def to_dict(self) -> dict[str, object]:
        """Plain JSON types."""
        return {
            "clip": self.clip.name,
            "label": self.clip.label,
            "verdict": self.clip.verdict,
            "got": self.got,
            "right": self.right if self.clip.exercise else None,
            "exercise_share": round(self.share, 3),
            "found_share": round(self.run.found, 3),
            "reps": self.reps,
            "said": self.said,
            "hit": len(self.hits),
            "false_ends": [round(t, 2) for t in self.false_ends],
            "named": list(self.named),
            "spoken": len(self.run.spoken),
            "apt": len(self.apt),
            "false_corrections": [f"{one.t_s:.1f} s: {one.text or one.mistake}" for one in self.false_corrections],
            "mistakes": [{"label": m.label, "found": m.found, "why": m.why} for m in self.mistakes],
            "quiet": self.stayed_quiet if self.clip.quiet else None,
            "minutes": round(self.minutes, 3),
        }


def score_clip(clip: LabelledClip, run: ClipRun) -> ClipScore:
    """Judges what a coach made of a clip."""
    begin_s, end_s = run.seen_s
    named_exercises = [name for one in run.decisions if (name := exercise_name(one.exercise))]
    seen = None if clip.reps is None else [rep for rep in clip.reps if rep[1] <= end_s + CUT_S]
    ends_s = [end.t_s for end in run.ends]
    hits = hit([end for _, end in seen], ends_s) if seen is not None else []
    taken = Counter(said for _, said in hits)
    false_ends = []
    for t in ends_s:
        if taken[t]:
            taken[t] -= 1
        elif clip.quiet or seen is not None:
            false_ends.append(t)
    corrections = [one for one in run.spoken if one.kind == "correct"]
    return ClipScore(
        clip=clip,
        run=run,
        got=majority(named_exercises),
        share=len(named_exercises) / len(run.decisions) if run.decisions else 0.0,
        reps=None if seen is None else len(seen),
        said=len(run.ends),
        hits=tuple(hits),
        false_ends=tuple(false_ends),
        named=_named(run),
        false_corrections=tuple(one for one in corrections if is_false(clip, one)),
        apt=tuple(one for one in run.spoken if is_apt(clip, one)),
        mistakes=tuple(_found(clip, mistake, run) for mistake in clip.mistakes),
        minutes=max(0.0, end_s - begin_s) / 60,
    )


def majority(names: Sequence[str]) -> str:
    """The name that most decisions give; empty when there is none or two share the lead."""
    first = Counter(names).most_common(2)
    if not first or (len(first) == 2 and first[0][1] == first[1][1]):
        return ""
    return first[0][0]


def hit(labels_s: Sequence[float], said_s: Sequence[float]) -> list[tuple[float, float]]:
    """Pairs (label, said), in order of time: each label takes the first end that is free and within its window."""
    free = sorted(said_s)
    pairs = []
    for label in sorted(labels_s):
        found = next((t for t in free if label - EARLY_S - 1e-9 <= t <= label + LATE_S + 1e-9), None)
        if found is not None:
            free.remove(found)
            pairs.append((label, found))
    return pairs


def is_false(clip: LabelledClip, said: Spoken) -> bool:
    """Whether a correction is about something that is not there.

    Where the verdict is "variant" or "unclear" people do not agree, and nothing is held against the coach but a wrong
    exercise; where it is "mistake" and none is written down, any may be the one.
    """
    if clip.quiet or (said.exercise and exercise_name(said.exercise) != clip.exercise):
        return True
    if any(names(mistake, said) for mistake in clip.mistakes):
        return False
    return clip.verdict == "good" or (clip.verdict == "mistake" and bool(clip.mistakes))


def is_apt(clip: LabelledClip, said: Spoken) -> bool:
    """Whether a sentence about form is right: the mistake that is there, or praise for a good repetition."""
    if said.kind == "view" or clip.quiet or (said.exercise and exercise_name(said.exercise) != clip.exercise):
        return False
    if said.kind == "correct":
        return any(names(mistake, said) for mistake in clip.mistakes) or (
            clip.verdict == "mistake" and not clip.mistakes
        )
    if clip.verdict != "good":
        return False
    return clip.reps is None or any(-EARLY_S <= said.t_s - end <= PRAISE_S for _, end in clip.reps)


def names(mistake: VisibleMistake, said: Spoken) -> bool:
    """Whether a correction names a visible mistake, in its time."""
    if mistake_name(said.mistake) not in mistake.names:
        return False
    return mistake.span_s is None or mistake.span_s[0] <= said.t_s <= mistake.span_s[1] + SPAN_S


def _named(run: ClipRun) -> tuple[str, ...]:
    spoken = [mistake_name(one.mistake) for one in run.spoken if one.kind == "correct"]
    counted = [mistake_name(name) for end in run.ends for name in end.mistakes]
    return tuple(dict.fromkeys(name for name in (*counted, *spoken) if name))


def _found(clip: LabelledClip, mistake: VisibleMistake, run: ClipRun) -> MistakeFound:
    claims = [one for one in run.spoken if one.kind == "correct"]
    claims += [Spoken(end.t_s, "correct", "", end.exercise, name) for end in run.ends for name in end.mistakes]
    right = [one for one in claims if not one.exercise or exercise_name(one.exercise) == clip.exercise]
    if any(names(mistake, one) for one in right):
        return MistakeFound(mistake.label, True, "")
    if not run.ends and not run.spoken:
        why = "the coach said nothing"
    elif claims and not right:
        why = f"it named {claims[0].mistake} of {claims[0].exercise}"
    elif any(mistake_name(one.mistake) in mistake.names for one in right):
        why = "it was named at another time"
    elif right:
        why = f"it named {', '.join(dict.fromkeys(one.mistake for one in right))} instead"
    else:
        why = "no mistake was named"
    return MistakeFound(mistake.label, False, why)
