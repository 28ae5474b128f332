"""Converts the events of the product, with feedback as text, to observations that can be scored."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from cornerman_pose.people_eval.coach import ClipRun, Decided, RepEnd, Spoken, SpokenKind

Meaning = Callable[[str], tuple[str, str] | None]
"""Words -> (exercise, mistake), or None for words that say nothing about form."""

PRAISE: Final = "praise"
"""The mistake that praise means."""


def run_of_words(
    said: Iterable[tuple[float, str, str]],
    meaning: Meaning,
    seen_s: tuple[float, float],
    decided: Iterable[tuple[float, str]] = (),
) -> ClipRun:
    """What a coach made of a clip, from the sentences that were heard.

    Each sentence about form is taken for the end of a repetition, and, where the coach gives no decisions of its own,
    for a decision about the exercise that it is about: so a coach that only speaks is judged by what it says.

    Args:
        said: (media time in seconds, "correct" or "feedback" or "view", text).
        meaning: what the words are about.
        seen_s: first and last media time that the coach saw.
        decided: (media time in seconds, exercise) of each decision, if there are any.
    """
    spoken: list[Spoken] = []
    ends: list[RepEnd] = []
    decisions = [Decided(t_s, exercise) for t_s, exercise in decided]
    own = bool(decisions)
    for t_s, action, text in sorted(said):
        meant = meaning(text)
        if meant is None:
            kind: SpokenKind = "view" if action == "view" else "feedback"
            spoken.append(Spoken(t_s, kind, text))
            continue
        exercise, mistake = meant[0], "" if meant[1] == PRAISE else meant[1]
        spoken.append(Spoken(t_s, "correct" if mistake else "feedback", text, exercise, mistake))
        ends.append(RepEnd(t_s, exercise, (mistake,) if mistake else ()))
        if not own:
            decisions.append(Decided(t_s, exercise))
    return ClipRun(tuple(decisions), tuple(ends), tuple(spoken), seen_s, 1.0)
