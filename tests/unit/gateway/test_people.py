"""Landmarks for the page: each frame once, as parts of the picture; the page's table of holds is the coach's."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

import cornerman_gateway
from cornerman_gateway.people import SeenPeople, seen_people
from cornerman_pose.channels import CHANNELS
from cornerman_pose.landmarks import INDEX, LANDMARKS, Person, SeenChunk
from cornerman_pose.measures import DURATION, channel_of, shows_nothing
from cornerman_pose.movements import movements
from cornerman_pose.picture import PictureStats
from cornerman_pose.wire import pack_chunk
from cornerman_shared.bus.codec import pack
from cornerman_shared.bus.messages import Features, Times

STATS = PictureStats(120.0, 120.0, 0.0)
SCRIPTS = Path(cornerman_gateway.__file__).parent / "static" / "js"


def standing(x_px: float = 64.0) -> Person:
    xy = np.full((LANDMARKS, 2), x_px, np.float32)
    return Person(xy, np.zeros((LANDMARKS, 3), np.float32), np.ones(LANDMARKS, np.float32), 1.0)


def features(seq: int, pts_s: tuple[float, ...], *rows: list[Person | None], run: str = "r") -> Features:
    seen = SeenChunk.of_rows(list(rows), (128, 256), pts_s)
    return Features(
        "cam", run, seq, pts_s[-1], 0.0, False, "ok", None, None, None, None, pts_s, "pose", Times(1.0),
        pack_chunk(seen, STATS),
    )  # fmt: skip


def test_landmarks_are_parts_of_the_picture() -> None:
    message = seen_people(features(3, (0.0, 0.5), [standing(), None]), -1.0)
    assert message is not None and (message["run"], message["seq"]) == ("r", 3)
    assert [frame["pts_s"] for frame in message["frames"]] == [0.0, 0.5]
    assert message["frames"][0]["people"][0][INDEX["left_knee"]] == [0.25, 0.5, 1.0]
    assert message["frames"][1]["people"] == []  # not found there
    two = seen_people(features(3, (0.0, 0.5), [standing(), None], [standing()] * 2), -1.0)
    assert two is not None and [frame["rows"] for frame in two["frames"]] == [[0, 1], [1]]


def test_each_frame_is_sent_once() -> None:
    people = SeenPeople(None, "cam")  # type: ignore[arg-type]
    first, second = features(0, (0.0, 0.5), [standing()] * 2), features(1, (0.5, 1.0), [standing()] * 2)
    sent = people.take([pack(first), pack(second), pack(second)])
    assert [frame["pts_s"] for message in sent for frame in message["frames"]] == [0.0, 0.5, 1.0]
    again = people.take([pack(features(0, (0.0, 0.5), [standing()] * 2, run="next"))])
    assert [len(message["frames"]) for message in again] == [2]


def test_other_entries_are_left_out() -> None:
    people = SeenPeople(None, "cam")  # type: ignore[arg-type]
    mine = features(0, (0.0, 0.5), [standing()] * 2)
    foreign = replace(mine, people=np.zeros(9, np.float32))
    others = [replace(mine, source_id="yard"), replace(mine, people=None), foreign]
    assert people.take([*(pack(one) for one in others), b"\xff"]) == []
    assert len(people.take([pack(mine)])) == 1


def test_page_knows_every_hold() -> None:
    found = re.search(r"HOLDS = new Set\(\[(.*?)\]\)", (SCRIPTS / "movement.js").read_text())
    assert found is not None
    holds = {name.strip(' "') for name in found[1].split(",")}
    assert holds == {movement.name for movement in movements() if movement.kind == "hold"}


def test_page_names_every_measure() -> None:
    table = (SCRIPTS / "angle.js").read_text().partition("MEASURES = {")[2].partition("};")[0]
    units = dict(re.findall(r'^\s*(\w+): \[".*", "(\w+)"\]', table, re.MULTILINE))
    told = [rule for movement in movements() for rule in movement.rules if rule.measure != DURATION]
    assert {channel_of(rule) for rule in told if not shows_nothing(rule)} <= set(units) <= set(CHANNELS)
    assert {units[name] for name in units if CHANNELS[name] > 5} == {"deg"}  # the scale of an angle, in degrees
    assert {units[name] for name in units if CHANNELS[name] < 5} == {"ratio"}


def test_page_marks_every_joint() -> None:
    table = (SCRIPTS / "skeleton.js").read_text().partition("JOINTS = {")[2].partition("};")[0]
    joints = set(re.findall(r'^\s*"?([a-z ]+?)"?: \[', table, re.MULTILINE))
    assert {rule.joint for movement in movements() for rule in movement.rules} <= joints
