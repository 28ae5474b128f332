"""Judges how well the coached person is visible, with reasons that the person can act on. Pure; state is a dict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from cornerman_pose.body_parts import PARTS
from cornerman_pose.body_parts import VISIBLE as VISIBLE
from cornerman_pose.landmarks import INDEX, SeenChunk
from cornerman_pose.measure import pixels_a_metre
from cornerman_pose.picture import PictureStats
from cornerman_pose.subject import Subject

ViewState = dict[str, int]
Sight = Literal["whole", "partly", "no_person", "several"]

SEEN_SHARE: Final = 0.6
"""A part is seen when it is in this share of a chunk's frames: hands leave the picture for a moment in many a press."""

MIN_FOUND: Final = 0.5
DARK: Final = 40.0
"""Luma of 0..255 that a tenth of the pixels round a person must exceed."""

FAR: Final = 0.20
"""A metre shorter than this part of the picture's shorter side: 1.7 m are then 76 of 224 pixels."""

CAMERA: Final = 0.06
"""Shorter sides a second from which on the camera moves; a hand that holds a telephone still stays below."""

RELEASE: Final = 0.75
"""A flag goes at this part of its limit, so that it does not flicker."""

ON_CHUNKS: Final = 2
OFF_CHUNKS: Final = 2
"""Chunks in a row after which a flag or a part changes."""

_ORDER: Final = ("head", "shoulders", "elbows", "hands", "hips", "knees", "feet")


@dataclass(frozen=True, slots=True)
class View:
    """How well the person is seen in a chunk.

    Attributes:
        sight: "whole", "partly", "no_person", or "several" when there are several and none is followed.
        missing: parts of the body that are not seen, from head to feet.
        too_dark: too little light on the person.
        too_far: too small in the picture.
        camera_moving: the background moves as a whole.
        people: in the picture.
        parts: share of frames in which each side of a part is seen, as "left_knees"; "head" has no side.
        reasons: sentences for people, the most important first; empty when all is well.
    """

    sight: Sight
    missing: tuple[str, ...]
    too_dark: bool
    too_far: bool
    camera_moving: bool
    people: int
    parts: Mapping[str, float]
    reasons: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether form can be judged from head to feet."""
        return self.sight == "whole" and not (self.too_dark or self.too_far or self.camera_moving)

    def to_dict(self) -> dict[str, object]:
        """Plain JSON types."""
        return {
            "sight": self.sight,
            "missing": list(self.missing),
            "too_dark": self.too_dark,
            "too_far": self.too_far,
            "camera_moving": self.camera_moving,
            "people": self.people,
            "reasons": list(self.reasons),
        }


def judge(
    seen: SeenChunk, subject: Subject, stats: PictureStats, state: Mapping[str, int] | None = None
) -> tuple[View, ViewState]:
    """How well the followed person is seen.

    Args:
        seen: all people in the chunk.
        subject: who is followed.
        stats: of the chunk's pixels.
        state: what the chunk before returned; None or {} at the beginning.

    Returns:
        The view, and the state for the next chunk: chunks in a row for each flag, positive while it is up.
    """
    before = dict(state or {})
    after: ViewState = {}
    row = subject.row if subject.row is not None and seen.found[subject.row].mean() >= MIN_FOUND else None

    def flag(name: str, value: float, limit: float, *, below: bool) -> bool:
        was = before.get(name, 0) > 0
        edge = limit if not was else (limit / RELEASE if below else limit * RELEASE)
        return _steady(name, value < edge if below else value > edge, before, after)

    dark = flag("dark", stats.person_light, DARK, below=True)
    moving = flag("camera", stats.camera, CAMERA, below=False)
    if row is None:
        sight: Sight = "several" if seen.people > 1 else "no_person"
        reasons = _reasons(sight, (), {}, dark, False, moving, subject, seen.people)
        return View(sight, (), dark, False, moving, seen.people, {}, reasons), after
    found = seen.found[row]
    metre = float(np.median(pixels_a_metre(seen.image_px[row, found], seen.world_m[row, found]))) / min(seen.size_px)
    far = flag("far", metre, FAR, below=True)
    parts = parts_seen(seen, row)
    missing = tuple(
        part
        for part in _ORDER
        if _steady(part, max(share for name, share in parts.items() if name.endswith(part)) < SEEN_SHARE, before, after)
    )
    where = {part: _where(seen, row, part) for part in missing}
    sight = "partly" if missing else "whole"
    reasons = _reasons(sight, missing, where, dark, far, moving, subject, seen.people)
    return View(sight, missing, dark, far, moving, seen.people, parts, reasons), after


def parts_seen(seen: SeenChunk, row: int) -> dict[str, float]:
    """Share of the frames with the person in which each side of each part is visible and within the picture."""
    found = seen.found[row]
    height, width = seen.size_px
    points, visible = seen.image_px[row, found], seen.visibility[row, found] >= VISIBLE
    inside = (
        visible & (points[..., 0] >= 0) & (points[..., 0] < width) & (points[..., 1] >= 0) & (points[..., 1] < height)
    )
    shares = {}
    for part, sides in PARTS.items():
        for names in sides:
            name = part if len(sides) == 1 else f"{names[0].split('_')[0]}_{part}"
            shares[name] = float(inside[:, [INDEX[one] for one in names]].any(axis=1).mean())
    return shares


def _steady(name: str, now: bool, before: Mapping[str, int], after: ViewState) -> bool:
    """A flag that changes after some chunks in a row; at the very beginning it is as it is seen.

    The count is above 0 while the flag is up; its distance from the sign change is how long the other was seen.
    """
    if name not in before:
        after[name] = ON_CHUNKS if now else -OFF_CHUNKS
        return now
    count = before[name]
    if count > 0:
        count = ON_CHUNKS if now else count - 1
        after[name] = count if count > 0 else -OFF_CHUNKS
    else:
        count = count + 1 if now else -OFF_CHUNKS
        after[name] = count if count < 0 else ON_CHUNKS
    return after[name] > 0


def _where(seen: SeenChunk, row: int, part: str) -> str:
    """Where a part that is not seen is: beyond an edge of the picture, or hidden."""
    found = seen.found[row]
    height, width = seen.size_px
    names = [INDEX[name] for names in PARTS[part] for name in names]
    x, y = np.median(seen.image_px[row, found][:, names].reshape(-1, 2), axis=0)
    edges = {"below": y - (height - 1), "above": -y, "left of": -x, "right of": x - (width - 1)}
    edge, beyond = max(edges.items(), key=lambda item: item[1])
    return f"{edge} the picture" if beyond > -0.02 * min(height, width) else "hidden"


def _reasons(
    sight: Sight,
    missing: tuple[str, ...],
    where: Mapping[str, str],
    dark: bool,
    far: bool,
    moving: bool,
    subject: Subject,
    people: int,
) -> tuple[str, ...]:
    said = []
    if sight == "no_person":
        said.append(subject.reason if subject.reason else "no person is in the picture")
    if sight == "several":
        said.append(f"{people} people are in the picture, and the person followed is not among them")
    if dark:
        said.append("it is too dark to see the person well")
    if far:
        said.append("the person is too far away")
    for place in dict.fromkeys(where.values()):
        parts = [part for part in missing if where[part] == place]
        verb = "is" if parts == ["head"] else "are"
        said.append(f"the {_joined(parts)} {verb} {place}")
    if moving:
        said.append("the camera is moving")
    if sight in ("whole", "partly") and people > 1:
        said.append(f"{people} people are in the picture; {subject.whom} is followed")
    return tuple(said)


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
