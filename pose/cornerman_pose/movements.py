"""The table of exercises and their mistakes, `assets/movements.json`. Data only: knows neither nets nor people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, cast

View = Literal["front", "oblique", "side"]
VIEWS: tuple[View, ...] = ("front", "oblique", "side")


@dataclass(frozen=True, slots=True)
class FormRule:
    """One mistake: what is measured on a repetition, and from when on it is wrong.

    Values within `grey` of `limit`, in `unit`, are neither right nor wrong. A mistake is named when its probability is
    above `decide` and what is measured is past the limit by `past` greys. `own`, if not 0, is the share of the person's
    own usual travel (of their usual time, where the measure is the duration) below which it is named as well.
    From bodies turned further than `turned` (0 front, 1 side) it is not judged, whatever the net says.
    `landmarks` are pairs of body parts that must be visible, `views` the camera angles from which the measure can be
    judged. `reads` says whose channels are measured: the net's, which knows what a view hides, or the landmarks' own,
    where the picture shows it and the net would smooth it away. `brings` are mistakes of the same exercise that this
    one brings with it: where both are found, this one is named first. `sign`, if not empty, is another measure (of
    `sign_measures.py`) of the same mistake, which is named as well when that is above `sign_limit`.
    """

    exercise: str
    name: str
    joint: str
    measure: str
    unit: Literal["deg", "ratio", "s"]
    worse: Literal["above", "below"]
    limit: float
    grey: float
    decide: float
    landmarks: tuple[str, ...]
    views: tuple[View, ...]
    source: str
    past: float = -99.0
    turned: float = 1.0
    own: float = 0.0
    reads: Literal["net", "landmarks"] = "net"
    brings: tuple[str, ...] = ()
    sign: str = ""
    sign_limit: float = 0.0

    @property
    def key(self) -> str:
        """`exercise:name`."""
        return f"{self.exercise}:{self.name}"

    def excess(self, value: float) -> float:
        """How far `value` is past the limit, in units of `grey`: above 1 wrong, below -1 right."""
        sign = 1.0 if self.worse == "above" else -1.0
        return sign * (value - self.limit) / self.grey


@dataclass(frozen=True, slots=True)
class Movement:
    """An exercise: `repetitions` are counted, a `hold` is timed; `travel` is the channel that says how far one goes.

    Repetitions that are less than `likely` to be of it are not counted: other motion looks much like it.
    """

    name: str
    kind: Literal["repetitions", "hold"]
    rules: tuple[FormRule, ...]
    travel: str = ""
    likely: float = 0.0


@cache
def movements() -> tuple[Movement, ...]:
    """All exercises in the order of the net's outputs.

    Raises:
        ValueError: when the table has another version.
    """
    table = json.loads((files("cornerman_pose") / "assets" / "movements.json").read_text(encoding="utf-8"))
    if table["version"] != 1:
        raise ValueError(f"movements.json has version {table['version']}; this release reads version 1")
    out = []
    for name, entry in cast("dict[str, dict[str, object]]", table["exercises"]).items():
        rows = cast("list[dict[str, object]]", entry["mistakes"])
        rules = tuple(
            FormRule(
                exercise=name,
                name=str(row["name"]),
                joint=str(row["joint"]),
                measure=str(row["measure"]),
                unit=cast("Literal['deg', 'ratio', 's']", row["unit"]),
                worse=cast("Literal['above', 'below']", row["worse"]),
                limit=float(cast("float", row["limit"])),
                grey=float(cast("float", row["grey"])),
                decide=float(cast("float", row["decide"])),
                landmarks=tuple(cast("list[str]", row["landmarks"])),
                views=tuple(cast("list[View]", row["views"])),
                source=str(row["source"]),
                turned=float(cast("float", row.get("turned", 1.0))),
                past=float(cast("float", row.get("past", -99.0))),
                own=float(cast("float", row.get("own", 0.0))),
                reads=cast("Literal['net', 'landmarks']", row.get("reads", "net")),
                brings=tuple(cast("list[str]", row.get("brings", []))),
                sign=str(row.get("sign", "")),
                sign_limit=float(cast("float", row.get("sign_limit", 0.0))),
            )
            for row in rows
        )
        kind = cast("Literal['repetitions', 'hold']", entry["kind"])
        likely = float(cast("float", entry.get("likely", 0.0)))
        out.append(Movement(name, kind, rules, str(entry.get("travel", "")), likely))
    return tuple(out)


@cache
def exercise_names() -> tuple[str, ...]:
    """`none` followed by the exercises: the classes of the net."""
    return ("none", *(m.name for m in movements()))


@cache
def form_rules() -> tuple[FormRule, ...]:
    """All mistakes of all exercises in the order of the net's outputs."""
    return tuple(rule for m in movements() for rule in m.rules)
