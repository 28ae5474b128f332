"""A movement as one line of text: for prompts of language models, and for comments in subtitles. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Protocol

from cornerman_pose.coaching import needed_parts
from cornerman_pose.movements import movements


class NamedFault(Protocol):
    """A mistake with its name in the table of movements."""

    @property
    def name(self) -> str: ...


class SeenFacts(Protocol):
    """The part of a movement that the line tells."""

    @property
    def exercise(self) -> str: ...
    @property
    def repetitions(self) -> int: ...
    @property
    def mistakes(self) -> Sequence[NamedFault]: ...
    @property
    def view(self) -> str: ...
    @property
    def missing(self) -> Sequence[str]: ...
    @property
    def limits(self) -> Sequence[str]: ...
    @property
    def people(self) -> int: ...
    @property
    def whom(self) -> str: ...


def facts_line(seen: SeenFacts) -> str:
    """Exercise, count, the newest repetition's mistakes, and the view, as "squat, 8 repetitions; last one good; …"."""
    parts = []
    if seen.exercise:
        unit = "seconds" if seen.exercise in _holds() else "repetition" if seen.repetitions == 1 else "repetitions"
        parts.append(f"{_plain(seen.exercise)}, {seen.repetitions} {unit}")
        named = ", ".join(_plain(mistake.name) for mistake in seen.mistakes)
        parts.append(f"last one {named}" if named else "no mistake seen")
    else:
        parts.append("no exercise")
    if seen.view == "no_person":
        parts.append("nobody in view")
    elif seen.view == "several":
        parts.append("several people in view")
    else:
        # Parts that the exercise is not judged by would only distract a small model.
        needed = [part for part in seen.missing if part in needed_parts(seen.exercise)]
        parts.append(
            f"{', '.join(needed)} not in view" if needed else f"{'' if seen.missing else 'whole '}body in view"
        )
    parts += [_plain(limit) for limit in seen.limits]
    if tells_whom(seen):
        parts.append(f"watching {seen.whom}")
    return "; ".join(parts)


def tells_whom(seen: SeenFacts) -> bool:
    """Whether the line says who of several is followed: up to the first repetition, before there is praise."""
    followed = seen.people > 1 and bool(seen.whom) and seen.view in ("whole", "partly")
    return followed and bool(seen.exercise) and seen.repetitions <= 1


def prompt_with_facts(prompt: str, seen: SeenFacts | None) -> str:
    """The prompt as a language model reads it: the user's text, then what was seen."""
    return prompt if seen is None else f"{prompt}\nSeen: {facts_line(seen)}."


@cache
def _holds() -> frozenset[str]:
    return frozenset(movement.name for movement in movements() if movement.kind == "hold")


def _plain(name: str) -> str:
    return name.replace("_", " ")
