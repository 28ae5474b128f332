"""How much a commentator is asked to say. Pure.

The less has changed and the shorter the comment before, the less is wanted now. Numbers of the rule: a comment
under 40
characters is short; change is in mean grey levels, 0..255.
"""

from __future__ import annotations

from typing import Literal

Density = Literal["minimal", "brief", "normal"]

SHORT_CHARACTERS = 40
SMALL_CHANGE = 15.0
MEDIUM_CHANGE = 40.0

_WANTED: dict[Density, str] = {
    "minimal": "Hardly anything has changed: a few words at most.",
    "brief": "Little has changed: one short sentence.",
    "normal": "One or two sentences.",
}


def density(previous: str, change: float) -> Density:
    """How much to say, from the comment before (empty = none yet) and the change since."""
    short = bool(previous) and len(previous) < SHORT_CHARACTERS
    if change < SMALL_CHANGE and short:
        return "minimal"
    if change < SMALL_CHANGE or (change < MEDIUM_CHANGE and short):
        return "brief"
    return "normal"


def commentary_prompt(instruction: str, previous: str, change: float) -> str:
    """The instruction with what was said last, how much is wanted, and how to say nothing."""
    lines = [instruction, _WANTED[density(previous, change)]]
    if previous:
        lines.append(f'You said last: "{previous}". Do not say that again.')
        lines.append("If there is nothing new to say, answer with exactly: ...")
    return "\n".join(lines)
