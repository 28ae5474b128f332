"""Sentences that were heard can be scored."""

from __future__ import annotations

from cornerman_pose.people_eval.heard import run_of_words

MEANINGS = {"Go lower": ("squat", "too_shallow"), "Great squat": ("squat", "praise")}
SAID = [
    (4.0, "feedback", "Great squat"),
    (2.0, "correct", "Go lower"),
    (5.0, "view", "Step back"),
    (6.0, "feedback", "Hi"),
]


def test_sentences_become_ends_and_decisions() -> None:
    made = run_of_words(SAID, MEANINGS.get, (0.0, 8.0))
    assert [(end.t_s, end.mistakes) for end in made.ends] == [(2.0, ("too_shallow",)), (4.0, ())]
    assert [one.kind for one in made.spoken] == ["correct", "feedback", "view", "feedback"]
    assert [one.exercise for one in made.decisions] == ["squat", "squat"]


def test_own_decisions_come_first() -> None:
    made = run_of_words(SAID, MEANINGS.get, (0.0, 8.0), [(1.0, ""), (2.0, "lunge")])
    assert [one.exercise for one in made.decisions] == ["", "lunge"]


def test_silence_is_a_run() -> None:
    made = run_of_words([], MEANINGS.get, (0.0, 8.0))
    assert (made.decisions, made.ends, made.spoken) == ((), (), ())
