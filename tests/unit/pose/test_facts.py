"""A movement as one line, and prompts that end with it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from cornerman_pose.facts import facts_line, prompt_with_facts


@dataclass(frozen=True)
class OneFault:
    name: str


@dataclass(frozen=True)
class OneMovement:
    exercise: str = "squat"
    repetitions: int = 8
    mistakes: tuple[OneFault, ...] = ()
    view: str = "whole"
    missing: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    people: int = 1
    whom: str = ""


@pytest.mark.parametrize(
    ("seen", "line"),
    [
        (OneMovement(), "squat, 8 repetitions; no mistake seen; whole body in view"),
        (OneMovement(repetitions=1), "squat, 1 repetition; no mistake seen; whole body in view"),
        (
            OneMovement(repetitions=1, people=2, whom="the person on the left"),
            "squat, 1 repetition; no mistake seen; whole body in view; watching the person on the left",
        ),
        (OneMovement("plank", 12), "plank, 12 seconds; no mistake seen; whole body in view"),
        (
            OneMovement(mistakes=(OneFault("too_shallow"), OneFault("knees_in"))),
            "squat, 8 repetitions; last one too shallow, knees in; whole body in view",
        ),
        (OneMovement("", view="no_person"), "no exercise; nobody in view"),
        (OneMovement("", view="several"), "no exercise; several people in view"),
        (OneMovement("", view="partly", missing=("knees", "feet")), "no exercise; knees, feet not in view"),
        (OneMovement(view="partly", missing=("hands",)), "squat, 8 repetitions; no mistake seen; body in view"),
        (OneMovement("", limits=("too_dark",)), "no exercise; whole body in view; too dark"),
    ],
    ids=["reps", "one", "one of two", "hold", "mistakes", "nobody", "several", "parts", "unneeded", "dark"],
)
def test_line_says_what_was_seen(seen: OneMovement, line: str) -> None:
    assert facts_line(seen) == line


def test_prompt_ends_with_the_facts() -> None:
    assert prompt_with_facts("How many?", OneMovement()).startswith("How many?\nSeen: squat, 8 repetitions; ")
    assert prompt_with_facts("How many?", None) == "How many?"
