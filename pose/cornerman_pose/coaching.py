"""When a coach who follows a person speaks: at the end of repetitions, once for a better view, and once to say whom.

Pure.

Knows neither streams nor words; time is media time.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Final, Literal

from cornerman_pose.absence import Absence
from cornerman_pose.movements import form_rules, movements

if TYPE_CHECKING:
    from cornerman_pose.view import View
    from cornerman_pose.watcher import Watched

PRAISE_AFTER: Final = 3
"""Good repetitions in a row that are praised; the gym's coach does the same."""

DOUBTFUL: Final = 0.4
"""Doubt (see `RepetitionSeen`) above which a repetition is not good: it is not praised, and the streak begins again."""

PRAISE_HOLD_AFTER: Final = 10
"""Good spans of two seconds in a row of a hold that are praised: nobody is praised for six seconds of plank."""

ASK_AFTER_S: Final = 3.0
"""How long a person must be seen badly before the coach asks for a better view."""

ASK_AGAIN_S: Final = 20.0
"""A good view for so long ends the matter: seen badly again, the coach asks again."""

TOLD_AFTER_S: Final = 2.0
"""How long several people of about the same size must be there before the coach says whom it watches."""

STANDING: Final = frozenset({"shoulders", "hips", "knees", "feet"})
"""Parts that must be seen before there is an exercise."""

_PART_OF: Final = {"ears": "head", "wrists": "hands", "ankles": "feet", "heels": "feet", "toes": "feet"}


@dataclass(frozen=True, slots=True)
class CoachingNotes:
    """What the coach remembers of a source between two chunks; media times in seconds, negative = never.

    Attributes:
        exercise: of the set.
        streak: good repetitions in a row since the last praise, mistake or doubt.
        mistakes: `name=probability` of the newest repetition, separated by blanks.
        said: `exercise:mistake` that was named last, and when.
        bad_since_s: since when the person is seen too badly.
        good_since_s: since when they are seen well.
        asked: the coach has asked for a better view.
        absence: no person is followed.
        called: the coach has said that it sees no person.
        peers_since_s: since when others of the same size are there.
        told: the coach has said whom it watches.
    """

    exercise: str = ""
    streak: int = 0
    mistakes: str = ""
    said: str = ""
    said_at_s: float = -1.0
    bad_since_s: float = -1.0
    good_since_s: float = -1.0
    asked: bool = False
    absence: Absence = field(default_factory=Absence)
    called: bool = False
    peers_since_s: float = -1.0
    told: bool = False


@dataclass(frozen=True, slots=True)
class CoachingCall:
    """What the coach would do at a chunk: `reason` is `exercise:mistake`, `good_repetitions`, `view`, or why not."""

    action: Literal["next", "feedback", "correct"]
    confidence: float
    reason: str


def coach_chunk(
    watched: Watched,
    pts_s: float,
    notes: CoachingNotes,
    repeat_window_s: float,
    parts: frozenset[str] = frozenset(),
    motion: float = 0.0,
) -> tuple[CoachingCall, CoachingNotes]:
    """The call for a chunk at media time `pts_s`, and the notes after it.

    Args:
        watched: what the chunk shows.
        pts_s: its media time.
        notes: after the chunk before.
        repeat_window_s: the same mistake is not named twice within it.
        parts: of the body that must be seen; empty = those that the mistakes of the exercise are judged by.
        motion: of the picture, 0..1: whether a person may be there unseen.
    """
    blind = is_blind(watched.view, watched.exercise, parts)
    notes = _looked(watched, blind, pts_s, motion, notes)
    if watched.exercise != notes.exercise:
        notes = replace(notes, exercise=watched.exercise, streak=0, mistakes="")
    for repetition in watched.ended:
        wrong = " ".join(f"{one.rule.name}={one.probability:.3f}" for one in repetition.mistakes)
        good = notes.streak + 1 if repetition.judged else notes.streak
        notes = replace(notes, mistakes=wrong, streak=0 if wrong or repetition.doubt > DOUBTFUL else good)
    if blind:
        waited = notes.bad_since_s >= 0 and pts_s - notes.bad_since_s >= ASK_AFTER_S
        ask = (waited and not notes.asked) or (
            notes.absence.calls(pts_s, dark=watched.view.too_dark) and not notes.called
        )
        return (CoachingCall("feedback", 1.0, "view") if ask else CoachingCall("next", 1.0, "not_seen_well")), notes
    if not watched.ended:
        if _tells_whom(watched, pts_s, notes):
            return CoachingCall("feedback", 1.0, "view"), notes
        return CoachingCall("next", 1.0, "no_repetition"), notes
    newest = watched.ended[-1]
    for one in newest.mistakes:
        lately = notes.said_at_s >= 0 and pts_s - notes.said_at_s < repeat_window_s
        if not (lately and notes.said == one.rule.key):
            return CoachingCall("correct", one.probability, one.rule.key), notes
    if newest.mistakes:
        return CoachingCall("next", newest.mistakes[0].probability, "repeat"), notes
    if notes.streak >= praise_after(watched.exercise):
        return CoachingCall("feedback", watched.certainty, "good_repetitions"), notes
    return CoachingCall("next", 1.0, "repetition"), notes


@cache
def praise_after(exercise: str) -> int:
    """How many good repetitions, or spans of a hold, in a row are praised."""
    held = any(m.name == exercise and m.kind == "hold" for m in movements())
    return PRAISE_HOLD_AFTER if held else PRAISE_AFTER


def after_words(call: CoachingCall, pts_s: float, notes: CoachingNotes) -> CoachingNotes:
    """The notes after a call that led to words."""
    if call.reason == "view":
        if notes.absence.since_s >= 0:
            return replace(notes, called=True)
        return replace(notes, asked=True) if notes.bad_since_s >= 0 else replace(notes, told=True)
    if call.action == "correct":
        return replace(notes, said=call.reason, said_at_s=pts_s)
    return replace(notes, streak=0)


def is_blind(view: View, exercise: str, parts: frozenset[str] = frozenset()) -> bool:
    """Whether form cannot be judged: no person, too dark, too far, or parts missing that the exercise needs."""
    if view.sight in ("no_person", "several") or view.too_dark or view.too_far:
        return True
    return bool((parts or needed_parts(exercise)) & set(view.missing))


@cache
def needed_parts(exercise: str) -> frozenset[str]:
    """Parts of the body, as `View.missing` names them, that the mistakes of an exercise are judged by."""
    parts = {part for rule in form_rules() if rule.exercise == exercise for part in rule.landmarks}
    return frozenset(_PART_OF.get(part, part) for part in parts) or STANDING


def _tells_whom(watched: Watched, pts_s: float, notes: CoachingNotes) -> bool:
    """Whether to say which of several people is watched: at the beginning of a set, as `facts.tells_whom`."""
    several = notes.peers_since_s >= 0 and pts_s - notes.peers_since_s >= TOLD_AFTER_S and bool(watched.subject.peers)
    bundled = any(one.name == watched.exercise for one in movements())
    return several and bundled and watched.count <= 1 and not notes.told


def _looked(watched: Watched, blind: bool, pts_s: float, motion: float, notes: CoachingNotes) -> CoachingNotes:
    """The notes about the view. Without a person who is followed there is no one to ask for a better one."""
    followed = watched.subject.row is not None and watched.view.sight != "no_person"
    notes = replace(
        notes,
        absence=notes.absence.after(
            followed,
            bool(watched.ended),
            pts_s,
            motion,
            dark=watched.view.too_dark,
            people=watched.view.people,
        ),
    )
    if not followed:
        return replace(notes, bad_since_s=-1.0, good_since_s=-1.0)
    if watched.subject.switched:
        notes = replace(notes, told=False, peers_since_s=-1.0)
    if watched.subject.peers and notes.peers_since_s < 0:
        notes = replace(notes, peers_since_s=pts_s)
    if blind:
        return replace(notes, bad_since_s=notes.bad_since_s if notes.bad_since_s >= 0 else pts_s, good_since_s=-1.0)
    since_s = notes.good_since_s if notes.good_since_s >= 0 else pts_s
    lately = pts_s - since_s < ASK_AGAIN_S
    return replace(
        notes,
        bad_since_s=-1.0,
        good_since_s=since_s,
        asked=notes.asked and lately,
        called=notes.called and lately,
    )
