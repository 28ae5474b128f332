"""Landmarks for the page: each frame once, as parts of the picture; the page's table of holds is the coach's."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import cornerman_gateway
from cornerman_gateway.people import GAP_S, SeenPeople, seen_people
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


def walk(count: int, run: str = "r") -> list[bytes]:
    """Chunks of two frames, each of which shares one with the chunk before."""
    return [pack(features(seq, (seq / 2, seq / 2 + 0.5), [standing()] * 2, run=run)) for seq in range(count)]


def times(sent: list[dict[str, Any]]) -> list[float]:
    return [frame["pts_s"] for message in sent for frame in message["frames"]]


def test_each_frame_is_sent_once() -> None:
    people = SeenPeople(None, "cam")  # type: ignore[arg-type]
    first, second = walk(2)
    assert times(people.take([first, second, second], 0.0)) == [0.0, 0.5, 1.0]
    again = people.take(walk(1, run="next"), 0.0)
    assert [len(message["frames"]) for message in again] == [2]


def test_chunks_are_sent_in_order() -> None:
    people = SeenPeople(None, "cam")  # type: ignore[arg-type]
    sent = walk(5)
    assert times(people.take([sent[1], sent[0]], 0.0)) == [0.0, 0.5, 1.0]
    assert people.take([sent[3]], 0.1) == [], "waits for the chunk before"
    assert times(people.take([sent[2], sent[4]], 0.2)) == [1.5, 2.0, 2.5]


def test_missing_chunk_is_waited_for_briefly() -> None:
    people = SeenPeople(None, "cam")  # type: ignore[arg-type]
    sent = walk(4)
    assert times(people.take(sent[:1], 0.0)) == [0.0, 0.5]
    assert people.take([sent[2]], 1.0) == []
    assert people.take([], 1.0 + GAP_S / 2) == []
    assert times(people.take([], 1.0 + GAP_S)) == [1.0, 1.5]
    assert people.take([sent[1]], 3.0) == [], "its time has passed"
    assert times(people.take([sent[3]], 3.0)) == [2.0]


def test_new_run_sends_what_waited() -> None:
    people = SeenPeople(None, "cam")  # type: ignore[arg-type]
    sent, after = walk(3), walk(2, run="next")
    found = people.take([sent[0], sent[2], after[1], after[0]], 0.0)
    assert [(message["run"], message["seq"]) for message in found] == [("r", 0), ("r", 2), ("next", 0), ("next", 1)]
    assert people.take([sent[1]], 0.0) == [], "of a run that is over"


def test_other_entries_are_left_out() -> None:
    people = SeenPeople(None, "cam")  # type: ignore[arg-type]
    mine = features(2, (0.0, 0.5), [standing()] * 2)
    foreign = replace(mine, people=np.zeros(9, np.float32), seq=1)
    others = [replace(mine, source_id="yard"), replace(mine, people=None, seq=0), foreign]
    assert people.take([*(pack(one) for one in others), b"\xff"], 0.0) == []
    assert len(people.take([pack(mine)], 0.0)) == 1


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
