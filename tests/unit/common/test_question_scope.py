"""Twenty questions within and twenty outside the bundled coach's abilities, and other models' limits."""

import pytest

from cornerman_common.abilities import GENERAL, Abilities, folder_abilities
from cornerman_common.bundle import bundled
from cornerman_common.question_scope import decline, topic_of
from cornerman_shared.errors import ConfigError
from tests.unit.common.questions import MORE_OUTSIDE, MORE_WITHIN, OUTSIDE, WITHIN

COACH = folder_abilities(bundled("coach"))
PEOPLE = Abilities(("form", "count", "exercise"), False, ("squat", "push_up", "deadlift"), "skeletons", ("en",))


@pytest.mark.parametrize("question", [*WITHIN, *MORE_WITHIN])
def test_question_within_is_answered(question: str) -> None:
    assert decline(question, COACH) == ""


@pytest.mark.parametrize("question", [*OUTSIDE, *MORE_OUTSIDE])
def test_question_outside_is_declined(question: str) -> None:
    sentence = decline(question, COACH)
    assert sentence.startswith("I can only answer questions, in English, about form in these exercises: squat, ")
    assert sentence.count(".") == 1


def test_general_model_gets_every_question() -> None:
    assert {decline(question, GENERAL) for question in (*WITHIN, *OUTSIDE)} == {""}


@pytest.mark.parametrize(
    ("question", "topic"),
    [
        ("How many reps did I do?", "count"),
        ("How many squats have I done?", "count"),
        ("How many so far?", "count"),
        ("How many?", "count"),
        ("How many did I do?", "count"),
        ("How many are there?", None),
        ("How many calories so far?", None),
        ("Which exercise am I doing?", "exercise"),
        ("How is my deadlift?", "form"),
        ("How is my bench press?", None),
        ("How many people are there?", None),
        ("How many squats should I do?", None),
        ("", None),
    ],
)
def test_topic_depends_on_exercises(question: str, topic: str | None) -> None:
    assert topic_of(question, PEOPLE.exercises) == topic
    assert (decline(question, PEOPLE) == "") is (topic is not None)


def test_default_prompt_is_within() -> None:
    from cornerman_shared.settings.source import SaySettings

    assert decline(SaySettings().prompt, COACH) == ""


def test_model_without_questions_says_so() -> None:
    assert decline("How is my form?", Abilities(topics=())) == (
        "I cannot answer questions; I only speak about what I see."
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [({"topic": []}, "unknown ability 'topic'"), ({"topics": ["all"]}, "unknown topic"), ({"sees": 1}, "sees = 1")],
)
def test_wrong_abilities_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Abilities.of(values, "here")
    assert Abilities.of(COACH.to_dict(), "here") == COACH


def test_endless_question_is_declined() -> None:
    """2,000 characters of short words kept the generator's event loop busy for ten seconds."""
    assert decline("Is it how I do? " * 100, COACH)
    assert decline("How is my form? " * 10, COACH) == ""
    assert decline("How is my form? " * 100, COACH)
