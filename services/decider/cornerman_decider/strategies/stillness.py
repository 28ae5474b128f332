"""Whether a picture stands still, with hysteresis: a pause for polls of an empty place. Pure.

A plank is not "no motion": a person in view, where the encoder sees people, is never stillness.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cornerman_decider.state import Memory
    from cornerman_shared.bus.messages import Features

RELEASE: Final = 0.5
"""Below this part of the level the picture rests; between the two it stays as it was."""

PEOPLE_AT: Final = 2
"""Where `Features.people` has the number of people."""

KEPT: Final = ("moved_at_s", "is_still")


def watch_stillness(features: Features, memory: Memory, level: float, after_s: float) -> Memory:
    """The memory after one chunk or poll; `is_still` in it tells whether polls pause.

    Args:
        level: motion, 0..1, above which something moves.
        after_s: seconds of media time at rest after which polls pause; 0 = never.
    """
    if after_s <= 0:
        return {name: value for name, value in memory.items() if name not in KEPT}
    moved_at_s, is_still = memory.get("moved_at_s"), bool(memory.get("is_still"))
    if not isinstance(moved_at_s, float) or _sees_people(features) or features.motion >= level:
        return {**memory, "moved_at_s": float(features.pts_s), "is_still": False}
    if features.motion < level * RELEASE:
        return {**memory, "is_still": is_still or features.pts_s - moved_at_s >= after_s}
    if is_still:
        return memory
    return {**memory, "moved_at_s": float(features.pts_s)}


def _sees_people(features: Features) -> bool:
    people = features.people
    return people is not None and people.size > PEOPLE_AT and people[PEOPLE_AT] > 0
