"""Selects the person to coach, followed from chunk to chunk by size, place and continuity. Pure.

The state is a small dict of plain numbers, so it can travel with whatever else a decider remembers. Someone who walks
through changes nothing; a switch needs the followed person gone, or a larger one who stays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from cornerman_pose.landmarks import INDEX, SeenChunk
from cornerman_pose.measure import Spot, spot

SubjectState = dict[str, float]

LOST_S: Final = 3.0
"""A person out of sight for longer is let go."""

RIVAL_S: Final = 8.0
"""A larger person who stands there, whole, for so long is the one to coach."""

RIVAL_SIZE: Final = 1.6
"""So much larger, that is: nearer to the camera."""

MIN_FOUND: Final = 0.5
"""Share of a chunk's frames in which a newcomer must be found."""

_REACH_M: Final = 0.5
_SPEED_M_S: Final = 2.0
_MAX_REACH_M: Final = 2.0
_MAX_SIZE: Final = math.log(1.5)
"""Metres that a person moves between two looks, and how much their size changes, at most."""

_HOME_M: Final = 0.5
_HOME_SIZE: Final = math.log(1.25)
_HOME_RATE: Final = 0.06
"""How far from the usual place is still there, and how much of the way the usual place moves with each chunk."""

_KEYS: Final = frozenset({"t_s", "x", "y", "size", "home_x", "home_y", "home_size"})

_FEET: Final = [INDEX["left_ankle"], INDEX["right_ankle"]]
_VISIBLE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is followed in a chunk.

    Attributes:
        row: in the chunk's arrays; None = not seen now.
        whom: in words, as "the person on the left"; empty when no person is followed.
        switched: another person than in the chunk before.
        reason: why it switched or why no person is followed; empty otherwise.
        people: in the chunk.
        peers: others of about the same size: only words tell which of them is coached.
    """

    row: int | None
    whom: str
    switched: bool
    reason: str
    people: int
    peers: int = 0


def follow(seen: SeenChunk, state: Mapping[str, float] | None = None) -> tuple[Subject, SubjectState]:
    """Who of the people in a chunk is coached.

    Args:
        seen: all people in the chunk.
        state: what the chunk before returned; None or {} at the beginning.

    Returns:
        The one followed, and the state for the next chunk: `t_s`, `x`, `y`, `size` of the followed person when last
        seen, `home_x`, `home_y`, `home_size` where they usually are, and `rival_since_s`; empty when no person is
        followed.
    """
    now_s = seen.frame_pts_s[-1]
    known = dict(state or {})
    if known.keys() >= _KEYS and known["t_s"] <= now_s + LOST_S:
        row = _same(seen, known)
        if row is not None:
            return _kept(seen, row, known)
        if now_s - known["t_s"] <= LOST_S:
            return Subject(None, "", False, "the person followed is out of sight", seen.people), known
        chosen, fresh = _chosen(seen, "the person followed before has left")
        return chosen, fresh if chosen.row is not None else known
    chosen, fresh = _chosen(seen, "")
    return chosen, fresh


def _kept(seen: SeenChunk, row: int, known: SubjectState) -> tuple[Subject, SubjectState]:
    rival = _rival(seen, row)
    now_s = seen.frame_pts_s[-1]
    since_s = known.get("rival_since_s", now_s) if rival is not None else None
    if rival is not None and since_s is not None and now_s - since_s >= RIVAL_S:
        return _subject(seen, rival, "a person nearer to the camera has taken the place"), _state(seen, rival)
    kept = _state(seen, row)
    for name in ("x", "y", "size"):
        kept[f"home_{name}"] = known[f"home_{name}"] + _HOME_RATE * (kept[name] - known[f"home_{name}"])
    if since_s is not None:
        kept["rival_since_s"] = since_s
    return _subject(seen, row, ""), kept


def _same(seen: SeenChunk, known: Mapping[str, float]) -> int | None:
    """The row that continues the person in the state, if any does.

    A person at the place where the subject has been lately comes before all others: an estimator may hand a
    skeleton over to someone who walks by in front.
    """
    before = Spot(known["x"], known["y"], known["size"])
    home = Spot(known["home_x"], known["home_y"], known["home_size"])
    best, least = None, math.inf
    for row in range(seen.people):
        frames = np.flatnonzero(seen.found[row])
        if not len(frames):
            continue
        # Overlapping chunks share frames: the one at the time of the state shows the person in the same place.
        frame = int(frames[np.argmin(np.abs(np.asarray(seen.frame_pts_s)[frames] - known["t_s"]))])
        here = spot(seen, row, frame)
        away_s = abs(seen.frame_pts_s[frame] - known["t_s"])
        moved_m, grown = _apart_m(before, here, seen.size_px), _grown(before, here)
        out_m, other = _apart_m(home, here, seen.size_px), _grown(home, here)
        if out_m <= _HOME_M and other <= _HOME_SIZE:
            cost = min(moved_m, out_m) + min(grown, other)
        elif moved_m <= min(_MAX_REACH_M, _REACH_M + _SPEED_M_S * away_s) and grown <= _MAX_SIZE:
            cost = _HOME_M + _HOME_SIZE + moved_m + grown
        else:
            continue
        if cost < least:
            best, least = row, cost
    return best


def _grown(one: Spot, other: Spot) -> float:
    return abs(math.log(max(other.size, 1e-6) / max(one.size, 1e-6)))


def _apart_m(one: Spot, other: Spot, size_px: tuple[int, int]) -> float:
    height, width = size_px
    shorter = min(height, width)
    across, down = (one.x - other.x) * width / shorter, (one.y - other.y) * height / shorter
    return math.hypot(across, down) / max((one.size + other.size) / 2, 1e-6)


def _chosen(seen: SeenChunk, reason: str) -> tuple[Subject, SubjectState]:
    """A new person to follow: large, near the middle, and there."""
    best, most = None, 0.0
    for row in range(seen.people):
        share = float(seen.found[row].mean())
        if share < MIN_FOUND:
            continue
        here = spot(seen, row, _last(seen, row))
        worth = share * here.size * (1 - min(0.5, abs(here.x - 0.5)))
        if worth > most:
            best, most = row, worth
    if best is None:
        return Subject(None, "", False, "no person is in the picture", seen.people), {}
    return _subject(seen, best, reason), _state(seen, best)


def _subject(seen: SeenChunk, row: int, reason: str) -> Subject:
    """The subject in a row; a reason to be followed is a switch."""
    size = spot(seen, row, _last(seen, row)).size
    peers = sum(
        1 / RIVAL_SIZE <= spot(seen, other, _last(seen, other)).size / max(size, 1e-6) <= RIVAL_SIZE
        for other in range(seen.people)
        if other != row and seen.found[other].mean() >= MIN_FOUND
    )
    return Subject(row, _whom(seen, row), bool(reason), reason, seen.people, peers)


def _rival(seen: SeenChunk, row: int) -> int | None:
    """A person much nearer to the camera, seen from head to feet throughout the chunk."""
    size = spot(seen, row, _last(seen, row)).size
    for other in range(seen.people):
        if other == row or not seen.found[other].all():
            continue
        whole = float(seen.visibility[other][:, _FEET].max(axis=1).min()) >= _VISIBLE
        if whole and spot(seen, other, _last(seen, other)).size >= RIVAL_SIZE * size:
            return other
    return None


def _state(seen: SeenChunk, row: int) -> SubjectState:
    frame = _last(seen, row)
    here = spot(seen, row, frame)
    now = {"x": here.x, "y": here.y, "size": here.size}
    return {"t_s": float(seen.frame_pts_s[frame]), **now, **{f"home_{name}": value for name, value in now.items()}}


def _last(seen: SeenChunk, row: int) -> int:
    return int(np.flatnonzero(seen.found[row])[-1])


def _whom(seen: SeenChunk, row: int) -> str:
    others = [spot(seen, other, _last(seen, other)).x for other in range(seen.people) if other != row]
    if not others:
        return "the only person"
    here = spot(seen, row, _last(seen, row)).x
    left, right = sum(x < here for x in others), sum(x >= here for x in others)
    where = "in the middle" if left and right else "on the left" if right else "on the right"
    return f"the person {where}"
