"""How well the person is seen, and in which words."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from cornerman_pose.landmarks import INDEX, Person, SeenChunk
from cornerman_pose.picture import PictureStats
from cornerman_pose.subject import follow
from cornerman_pose.view import View, judge
from tests.unit.pose.bodies import chunk, person

GOOD = PictureStats(150.0, 140.0, 0.0)


def look(*chunks: SeenChunk, stats: PictureStats = GOOD) -> list[View]:
    views, state, who = [], {}, {}
    for seen in chunks:
        subject, who = follow(seen, who)
        view, state = judge(seen, subject, stats, state)
        views.append(view)
    assert json.loads(json.dumps(state)) == state
    return views


def hidden(one: Person, *parts: str) -> Person:
    visibility = one.visibility.copy()
    visibility[[number for name, number in INDEX.items() if any(part in name for part in parts)]] = 0.1
    return replace(one, visibility=visibility)


def test_whole_body_is_good() -> None:
    (view,) = look(chunk([person()]))
    assert (view.sight, view.missing, view.reasons, view.good) == ("whole", (), (), True)
    assert view.parts["left_feet"] == 1.0


def test_feet_below_the_picture_are_named() -> None:
    (view,) = look(chunk([person(y=160)]))
    assert (view.sight, view.missing, view.good) == ("partly", ("feet",), False)
    assert view.reasons == ("the feet are below the picture",)


def test_hidden_hands_are_named() -> None:
    (view,) = look(chunk([hidden(person(), "wrist")]))
    assert view.reasons == ("the hands are hidden",)


def test_one_side_is_enough() -> None:
    (view,) = look(chunk([hidden(person(), "left_knee", "left_ankle", "left_heel", "left_wrist")]))
    assert view.sight == "whole"
    assert (view.parts["left_knees"], view.parts["right_knees"]) == (0.0, 1.0)


def test_head_above_the_picture_is_named() -> None:
    (view,) = look(chunk([person(y=48)]))
    assert view.missing == ("head",)
    assert view.reasons == ("the head is above the picture",)


def test_several_parts_are_one_sentence() -> None:
    (view,) = look(chunk([person(y=200)]))
    assert view.reasons == ("the knees and feet are below the picture",)


def test_nobody_is_said() -> None:
    (view,) = look(SeenChunk.of_rows([], (224, 398), [n / 8 for n in range(8)]))
    assert (view.sight, view.reasons) == ("no_person", ("no person is in the picture",))


def test_two_people_name_the_one_followed() -> None:
    (view,) = look(chunk([person(100, metre=80)], [person(300)]))
    assert (view.sight, view.people) == ("whole", 2)
    assert view.reasons == ("2 people are in the picture; the person on the right is followed",)


def test_others_alone_are_several() -> None:
    crowd = chunk([person(40, metre=50)], [person(340, metre=50)], start_s=0.5)
    views = look(chunk([person(200)]), crowd)
    assert views[-1].sight == "several"
    assert "not among them" in views[-1].reasons[0]


@pytest.mark.parametrize(
    ("stats", "reason"),
    [
        (PictureStats(60.0, 25.0, 0.0), "it is too dark to see the person well"),
        (PictureStats(150.0, 140.0, 0.2), "the camera is moving"),
    ],
    ids=["dark", "moving"],
)
def test_bad_picture_is_said(stats: PictureStats, reason: str) -> None:
    (view,) = look(chunk([person()]), stats=stats)
    assert view.reasons == (reason,) and not view.good


def test_far_person_is_said() -> None:
    (view,) = look(chunk([person(metre=35)]))
    assert view.too_far and view.reasons == ("the person is too far away",)


def test_flag_does_not_flicker() -> None:
    state, flags = {}, []
    for number, speed in enumerate([0.0, 0.1, 0.0, 0.1, 0.1, 0.05, 0.0, 0.1, 0.0, 0.0]):
        seen = chunk([person()], start_s=number / 2)
        subject, _ = follow(seen, {})
        view, state = judge(seen, subject, PictureStats(150, 140, speed), state)
        flags.append(view.camera_moving)
    assert flags == [False, False, False, False, True, True, True, True, True, False]


def test_view_is_plain_json() -> None:
    (view,) = look(chunk([person(y=160)]))
    assert json.loads(json.dumps(view.to_dict()))["missing"] == ["feet"]


def test_short_glimpse_is_nobody() -> None:
    seen = chunk([person(), *[None] * 7])
    subject, _ = follow(chunk([person()]), {})
    view, _ = judge(seen, subject, GOOD)
    assert view.sight == "no_person" and np.isfinite(view.people)
