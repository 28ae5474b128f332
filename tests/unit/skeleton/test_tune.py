import json
from pathlib import Path

import numpy as np

from cornerman_pose.movements import form_rules
from cornerman_pose.reader import bundled_net
from cornerman_training.skeleton.thresholds import SeenClip, SeenRep, allowed, gather, merit, tune, write
from cornerman_training.skeleton.tune import gym

RULES = [rule.key for rule in form_rules()]
SAG = RULES.index("push_up:hips_sagging")


def _rep(past: float, truth: int = -2) -> SeenRep:
    rep = SeenRep(*(np.full(len(RULES), v) for v in (np.nan, np.nan, 0.0)), truth)
    rep.past[SAG], rep.logit[SAG] = past, past
    return rep


def _clips(kind: str, verdict: str, values: list[float], truth: int = -2) -> list[SeenClip]:
    return [SeenClip(kind, f"{verdict}{n}", verdict, 0.1, [_rep(v, truth)], 1) for n, v in enumerate(values)]


def test_threshold_lies_between_right_and_wrong() -> None:
    clips = _clips("push_ups", "good", [-3.0, -2.5, -2.0, -1.9]) + _clips("push_ups", "mistake", [0.4, 0.8, 1.5, 2.0])
    decide, past, rates = tune(gather(clips))
    assert rates["push_ups wrong"] > 0.7
    assert rates["push_ups right"] < 0.1
    assert -1.5 < past[SAG] < 0.6
    assert np.all(decide[[i for i in range(len(RULES)) if i != SAG]] == 0.5)


def test_right_mistake_must_come_first() -> None:
    rep = _rep(2.0, SAG)
    rival = RULES.index("push_up:half_way")
    rep.logit[rival], rep.past[rival] = 2.4, 1.0
    evidence = gather([SeenClip("gym", "1", "good", 1.0, [rep], 1)])
    plain = np.full(len(RULES), 0.5), np.zeros(len(RULES))
    assert evidence.rates(evidence.silent(*plain))["gym right mistake"] < 0.1
    _, _, rates = tune(evidence)
    assert rates["gym right mistake"] > 0.8


def test_mistake_does_not_rival_what_it_brings() -> None:
    back, forward = RULES.index("squat:round_back"), RULES.index("squat:leaning_forward")
    rep = SeenRep(*(np.full(len(RULES), v) for v in (np.nan, np.nan, 0.0)), back)
    rep.logit[[back, forward]], rep.past[[back, forward]] = (2.0, 4.0), (90.0, 5.0)
    evidence = gather([SeenClip("gym", "1", "good", 1.0, [rep], 1)])
    plain = np.full(len(RULES), 0.5), np.zeros(len(RULES))
    assert evidence.rates(evidence.silent(*plain))["gym right mistake"] > 0.9


def test_neither_net_nor_landmarks_decide_alone() -> None:
    assert not allowed(0.1, 0.0) and allowed(0.1, 0.5)
    assert not allowed(0.5, -99.0) and allowed(0.5, -2.0) and allowed(0.7, -99.0)


def test_unlikely_mistake_must_be_measured() -> None:
    faint = _clips("push_ups", "mistake", [-1.5, -1.4, -1.3, -1.2])
    decide, past, rates = tune(gather(faint + _clips("push_ups", "good", [-6.0, -5.5, -5.0, -4.5])))
    assert allowed(decide[SAG], past[SAG])
    assert rates["push_ups wrong"] < 0.5


def test_shortfall_costs_more_than_surplus() -> None:
    good, short, beyond = ({"push_ups wrong": v} for v in (0.85, 0.65, 0.99))
    assert merit(short) < merit(good) == 0.0 < merit(beyond) < -merit(short)


def test_validation_sessions_are_matched() -> None:
    clips = list(gym(bundled_net(), 2))
    assert len(clips) == 2
    assert all(len(rep.past) == len(RULES) for clip in clips for rep in clip.reps)


def test_thresholds_are_written_by_rule(tmp_path: Path) -> None:
    table = {"version": 1, "exercises": {"squat": {"mistakes": [{"name": "a", "decide": 0.5}, {"name": "b"}]}}}
    path = tmp_path / "movements.json"
    path.write_text(json.dumps(table))
    write(np.array([0.3, 0.6]), np.array([-0.25, 1.0]), path)
    rows = json.loads(path.read_text())["exercises"]["squat"]["mistakes"]
    assert [(row["decide"], row["past"]) for row in rows] == [(0.3, -0.25), (0.6, 1.0)]
