"""When the coach on skeletons speaks, from scripted views and repetitions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cornerman_pose.coaching import ASK_AFTER_S, ASK_AGAIN_S, CoachingCall, CoachingNotes, after_words, coach_chunk
from cornerman_pose.movements import form_rules
from cornerman_pose.repetitions import NamedMistake, RepetitionSeen
from cornerman_pose.subject import Subject
from cornerman_pose.view import View
from cornerman_pose.watcher import Watched

RULES = {rule.key: rule for rule in form_rules()}
WELL = View("whole", (), False, False, False, 1, {}, ())
ONE = Subject(0, "the only person", False, "", 1)
QUIET = Watched(ONE, WELL, "", 0.9, 0, 0.0, "front", (), 1.0)


def ended(*mistakes: str, exercise: str = "squat", judged: bool = True, doubt: float = 0.0) -> Watched:
    """A chunk in which a repetition ended."""
    named = tuple(NamedMistake(RULES[f"{exercise}:{name}"], 0.8, 1.0) for name in mistakes)
    rep = RepetitionSeen(exercise, 1, 0.0, 1.0, named, ("too_shallow",) if judged else (), 0.9, doubt)
    return replace(QUIET, exercise=exercise, count=1, ended=(rep,))


def run(
    *script: Watched, step_s: float = 2.0, notes: CoachingNotes | None = None, motions: tuple[float, ...] = (0.0,)
) -> list[CoachingCall]:
    """Calls for chunks `step_s` apart; every call to speak leads to words."""
    known, calls = notes or CoachingNotes(), []
    for number, watched in enumerate(script):
        call, known = coach_chunk(watched, number * step_s, known, 10.0, motion=motions[number % len(motions)])
        if call.action != "next":
            known = after_words(call, number * step_s, known)
        calls.append(call)
    return calls


def reasons(calls: list[CoachingCall]) -> list[str]:
    return [call.reason for call in calls if call.action != "next"]


def test_three_good_repetitions_are_praised() -> None:
    assert reasons(run(*[ended()] * 7)) == ["good_repetitions"] * 2


def test_hold_is_praised_after_twenty_seconds() -> None:
    calls = run(*[ended(exercise="plank")] * 11)
    assert [number for number, call in enumerate(calls) if call.action == "feedback"] == [9]


def test_unjudged_repetitions_are_not_praised() -> None:
    assert reasons(run(*[ended(judged=False)] * 7)) == []


def test_same_mistake_waits_for_the_window() -> None:
    calls = run(*[ended("too_shallow")] * 7)
    assert [call.action for call in calls] == ["correct", *["next"] * 4, "correct", "next"]
    assert calls[1].reason == "repeat"


def test_another_mistake_is_named_at_once() -> None:
    calls = run(ended("too_shallow"), ended("knees_in"))
    assert reasons(calls) == ["squat:too_shallow", "squat:knees_in"]


def test_mistake_ends_the_streak() -> None:
    assert reasons(run(ended(), ended(), ended("knees_in"), ended(), ended())) == ["squat:knees_in"]


@pytest.mark.parametrize(("doubt", "said"), [(0.0, ["good_repetitions"]), (0.39, ["good_repetitions"]), (0.41, [])])
def test_doubted_repetition_is_not_praised(doubt: float, said: list[str]) -> None:
    assert reasons(run(ended(), ended(), ended(doubt=doubt), ended(), ended())) == said


def test_row_begins_after_the_doubt() -> None:
    calls = run(ended(doubt=0.9), *[ended()] * 3)
    assert [call.reason for call in calls] == ["repetition"] * 3 + ["good_repetitions"]


def test_new_exercise_begins_a_new_streak() -> None:
    assert reasons(run(ended(), ended(), ended(exercise="lunge"), ended(exercise="lunge"))) == []


@pytest.mark.parametrize(
    "view",
    [
        replace(WELL, sight="partly", missing=("knees", "feet")),
        replace(WELL, too_dark=True),
        replace(WELL, too_far=True),
    ],
    ids=["parts", "dark", "far"],
)
def test_bad_view_is_asked_about_once(view: View) -> None:
    calls = run(*[replace(ended("too_shallow"), view=view)] * 30)
    assert reasons(calls) == ["view"]
    assert calls[0].reason == "not_seen_well" and calls[int(ASK_AFTER_S / 2) + 1].reason == "view"


def test_good_view_ends_the_matter() -> None:
    bad = replace(QUIET, view=replace(WELL, too_dark=True))
    short, long = [QUIET] * 3, [QUIET] * (int(ASK_AGAIN_S / 2) + 2)
    assert reasons(run(*[bad] * 4, *short, *[bad] * 4)) == ["view"]
    assert reasons(run(*[bad] * 4, *long, *[bad] * 4)) == ["view", "view"]


def test_hidden_hands_do_not_matter_in_squats() -> None:
    view = replace(WELL, sight="partly", missing=("hands",))
    assert reasons(run(replace(ended("too_shallow"), view=view))) == ["squat:too_shallow"]


ABSENT = replace(QUIET, subject=replace(ONE, row=None), view=replace(WELL, sight="no_person", people=0))
GLIMPSED = replace(ABSENT, view=replace(ABSENT.view, people=1))
DARK = replace(ABSENT, view=replace(ABSENT.view, too_dark=True))


@pytest.mark.parametrize(
    "motions",
    [(0.0,), (0.0005, 0.0021), (0.02, 0.021)],
    ids=["still", "pulses of a codec", "even noise"],
)
def test_empty_room_stays_quiet(motions: tuple[float, ...]) -> None:
    assert reasons(run(GLIMPSED, *[ABSENT] * 30, motions=motions)) == []


@pytest.mark.parametrize(
    ("watched", "motions"),
    [(ABSENT, (0.01, 0.02, 0.03)), (GLIMPSED, (0.07, 0.12, 0.09))],
    ids=["without people", "of a moving camera"],
)
def test_film_stays_quiet(watched: Watched, motions: tuple[float, ...]) -> None:
    assert reasons(run(*[watched] * 30, motions=motions)) == []


@pytest.mark.parametrize(
    ("watched", "motions"),
    [(GLIMPSED, (0.01, 0.02, 0.03)), (DARK, (0.0014, 0.0005, 0.0016))],
    ids=["glimpsed", "dark"],
)
def test_unseen_person_is_told_once(watched: Watched, motions: tuple[float, ...]) -> None:
    calls = run(*[watched] * 30, motions=motions)
    assert [number for number, call in enumerate(calls) if call.action != "next"] == [3]
    assert (calls[3].action, calls[3].reason) == ("feedback", "view")


@pytest.mark.parametrize(("rests", "calls"), [(0, ["view"]), (3, ["view"]), (7, [])], ids=["amid", "soon", "later"])
def test_person_who_left_amid_a_set_is_called_once(rests: int, calls: list[str]) -> None:
    script = [*[ended("knees_in")] * 2, *[QUIET] * rests, *[ABSENT] * 20]
    assert reasons(run(*script)) == ["squat:knees_in", *calls]


def test_passer_by_is_not_called() -> None:
    assert reasons(run(*[QUIET] * 3, *[ABSENT] * 20)) == []


@pytest.mark.parametrize(("seen", "calls"), [(2, ["view"]), (4, [])], ids=["for two seconds", "for six seconds"])
def test_only_who_was_glimpsed_is_called(seen: int, calls: list[str]) -> None:
    """A person who stood there, did no exercise and walked out of a picture that moves a little has left."""
    assert reasons(run(*[QUIET] * seen, GLIMPSED, *[ABSENT] * 20, motions=(0.01, 0.02, 0.03))) == calls


def test_who_comes_back_is_not_called() -> None:
    script = [*[QUIET] * 4, *[ABSENT] * 6, GLIMPSED, *[QUIET] * 3]
    assert reasons(run(*script, motions=(0.01, 0.02, 0.03))) == []


def test_equal_people_are_told_apart_once() -> None:
    pair = replace(QUIET, subject=replace(ONE, whom="the person on the left", people=2, peers=1))
    first = replace(pair, exercise="squat", count=1)
    assert reasons(run(*[pair] * 4)) == []
    assert reasons(run(*[pair] * 2, *[first] * 4)) == ["view"]
    assert reasons(run(*[pair] * 2, *[replace(first, count=2)] * 4)) == []
