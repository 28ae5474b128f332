"""Thresholds moved step by step: what they gain, and what they must not lose."""

from __future__ import annotations

import numpy as np
import pytest

from cornerman_pose.movements import form_rules
from cornerman_pose.reader import bundled_net
from cornerman_training.gym.session import plan_session
from cornerman_training.skeleton.adjust import JudgedReps, adjust, bound_of, named, standing
from cornerman_training.skeleton.demands import PEOPLE
from cornerman_training.skeleton.held_out import seen_landmarks
from cornerman_training.skeleton.thresholds import SeenClip, SeenRep, gather
from cornerman_training.skeleton.timing import FPS
from cornerman_training.skeleton.tune import judged_session

RULES = [rule.key for rule in form_rules()]
SAG, HALF = RULES.index("push_up:hips_sagging"), RULES.index("push_up:half_way")
NOW = np.array([rule.decide for rule in form_rules()]), np.array([rule.past for rule in form_rules()])


def seen(rule: int, logit: float, past: float, truth: int = -2) -> SeenRep:
    rep = SeenRep(np.full(len(RULES), np.nan), np.full(len(RULES), np.nan), np.zeros(len(RULES)), truth)
    rep.logit[rule], rep.past[rule] = logit, past
    return rep


def push_ups(verdict: str, *reps: SeenRep) -> list[SeenClip]:
    return [SeenClip("push_ups", f"{verdict}{n}", verdict, 0.1, [rep], 1) for n, rep in enumerate(reps)]


def sessions(*reps: SeenRep) -> JudgedReps:
    return JudgedReps.of([SeenClip("gym", "1", "good", 1.0, list(reps), len(reps))])


def test_demands_are_those_of_the_gate() -> None:
    assert bound_of("push_ups wrong") == PEOPLE["push_ups", "mistake_named_of_wrong"]
    assert bound_of("clips false a minute") == PEOPLE[".", "false_corrections_per_min"]
    assert bound_of("made half_depth") == ("least", 0.8) and bound_of("untouched half_depth") == ("most", 0.1)
    assert bound_of("squats wrong") is None and bound_of("squats right") == ("most", 0.13)


def test_demand_met_barely_counts_as_missed() -> None:
    assert standing({"push_ups wrong": 0.705}) == (pytest.approx(0.005), 0.0)
    assert standing({"push_ups wrong": 0.72, "push_ups right": 0.0, "squats wrong": 0.0}) == (0.0, pytest.approx(0.06))


def test_mistake_of_a_session_is_learned() -> None:
    """Half-way push-ups just below their thresholds are told in the end, and good ones further below are not."""
    short = [seen(HALF, -0.5, 0.6, HALF) for _ in range(6)]
    good = [seen(HALF, -3.0, 0.2, -1) for _ in range(6)]
    reps = sessions(*short, *good)
    known = gather(push_ups("good", seen(SAG, -6.0, -6.0)))
    assert reps.counts(reps.strength(*NOW)) == (0, 0)
    assert reps.counts(reps.strength(*adjust(known, [reps], *NOW))) == (6, 0)


def test_step_that_people_forbid_is_not_taken() -> None:
    """The same where right push-ups of people show as much: the gate allows one in ten to be told a mistake."""
    reps = sessions(*(seen(HALF, -0.5, 0.6, HALF) for _ in range(6)))
    known = gather(push_ups("good", *(seen(HALF, -0.4, 0.7) for _ in range(5))))
    decide, least = adjust(known, [reps], *NOW)
    assert reps.counts(reps.strength(decide, least)) == (0, 0)
    assert (decide[HALF], least[HALF]) == (NOW[0][HALF], NOW[1][HALF])


def test_naming_is_that_of_the_coach() -> None:
    one = np.array([[0.1]]), np.array([[0.2]])
    assert named(*one, np.array([[0.0]]), 0.5, 0.1)[0, 0]
    assert not named(*one, np.array([[0.0]]), 0.5, 0.3)[0, 0]
    assert not named(*one, np.array([[0.0]]), 0.6, 0.1)[0, 0]
    assert named(*one, np.array([[0.6]]), 0.9, 9.0)[0, 0]
    assert not named(np.array([[np.nan]]), np.array([[np.nan]]), np.array([[0.0]]), 0.01, -99.0)[0, 0]


def test_given_landmarks_are_judged() -> None:
    net, session = bundled_net(), plan_session(3, "validation", fps=FPS, duration_s=20.0)
    marks = seen_landmarks(session)
    drawn, given = judged_session(net, session), judged_session(net, session, marks)
    assert len(drawn.reps) == len(given.reps) > 0
    marks.seen[:] = False
    assert judged_session(net, session, marks).reps == []
