"""Prompts and replies: what is seen of a movement, whether the coach speaks or answers, and the sentence it learns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import Final, Literal, get_args

from numpy.random import Generator

from cornerman_pose.coaching import needed_parts
from cornerman_pose.facts import prompt_with_facts, tells_whom
from cornerman_pose.movements import form_rules
from cornerman_training.gym.phrases import PRAISE, wordings
from cornerman_training.pose_words.wordings import (
    COME,
    MOST,
    NEVER,
    NO_EXERCISE,
    NO_MISTAKE,
    PROMPTS,
    UNSEEN,
    corrections,
    counted,
    praise,
    sentence,
    so_far,
    view_wish,
    watching,
)

CONTEXT: Final = 3
"""Chunks of a reply's context; 16 frames, as many as the language half takes."""

QuestionKind = Literal["count", "exercise", "wrong", "back", "other"]
QUESTIONS: Final[dict[QuestionKind, tuple[str, ...]]] = {
    "count": ("How many?", "How many repetitions have I done?", "What is my count?", "How many did I do?"),
    "exercise": ("Which exercise is this?", "What exercise am I doing?", "Which exercise?", "What am I doing?"),
    "wrong": ("What was wrong?", "What did I do wrong?", "Did I make a mistake?", "How was my form?"),
    "back": ("Is my back straight?", "Is my back round?", "How is my back?", "Am I keeping my back straight?"),
    "other": (
        *("What is the weather?", "Who are you?", "Tell me a joke.", "What should I eat?", "How old am I?"),
        *("What colour is my shirt?", "Play some music.", "Who won the game?", "What time is it?", "Do you like me?"),
    ),
}
_KINDS: Final[tuple[QuestionKind, ...]] = get_args(QuestionKind)
_SHARES: Final = (0.35, 0.15, 0.2, 0.15, 0.15)
"""Of the kinds of questions: a count has most different answers, so it is asked most."""

_BACKS: Final = frozenset({"round_back", "hips_sagging", "leaning_forward", "leaning_back"})
UNFOLLOWED: Final = ("no_person", "several")
_ALL_OF_A_NUMBER: Final = 20
"""How often each count is among the tokenizer's texts: one token a number, or it is spelt, and misspelt."""

_WHOM: Final = ("the person on the left", "the person in the middle", "the person on the right")
_PARTS: Final = ("head", "shoulders", "elbows", "hands", "hips", "knees", "feet")


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake of a lesson, by its name in the table of movements."""

    name: str


@dataclass(frozen=True, slots=True)
class LessonScene:
    """What is seen in a lesson; the fields are those of `cornerman_pose.facts.SeenFacts`."""

    exercise: str = ""
    repetitions: int = 0
    mistakes: tuple[Fault, ...] = ()
    view: str = "whole"
    missing: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    people: int = 1
    whom: str = ""

    @property
    def blind(self) -> bool:
        """Whether the coach would ask for a better view; as `cornerman_pose.coaching.is_blind`."""
        return self.view in UNFOLLOWED or bool(self.limits) or bool(needed_parts(self.exercise) & set(self.missing))


@dataclass(frozen=True, slots=True)
class Lesson:
    """One prompt with its reply; `action` is 1 for feedback and 2 for a correction."""

    prompt: str
    action: int
    reply: str


def spoken(rng: Generator, scene: LessonScene, *, told: bool = True, prompt: str = "") -> Lesson:
    """The coach speaks by itself; `told` = the prompt says what was seen. Without a prompt one is drawn."""
    prompt = prompt or (PROMPTS[0] if rng.uniform() < 0.8 else str(rng.choice(PROMPTS)))
    if told and scene.blind:
        action, reply = 1, view_wish(scene.view, scene.missing, scene.limits)
    elif told and tells_whom(scene) and not (scene.mistakes and rng.uniform() < 0.5):
        action, reply = 1, watching(scene.whom)
    elif scene.mistakes:
        action, reply = 2, str(rng.choice(corrections(scene.exercise, scene.mistakes[0].name)))
    else:
        action, reply = 1, praise(rng, scene.exercise if told else "", scene.repetitions)
    return Lesson(prompt_with_facts(prompt, scene if told else None), action, reply)


def asked(rng: Generator, scene: LessonScene, kind: QuestionKind | None = None) -> Lesson:
    """A person asks; the action in front of an answer is either, because the model chooses it."""
    kind = kind or _KINDS[int(rng.choice(len(_KINDS), p=_SHARES))]
    question = str(rng.choice(QUESTIONS[kind]))
    return Lesson(prompt_with_facts(question, scene), int(rng.integers(1, 3)), _answer(rng, scene, kind))


def _answer(rng: Generator, scene: LessonScene, kind: QuestionKind) -> str:
    if kind == "other":
        return NEVER
    if not scene.exercise:
        return UNSEEN if scene.view == "no_person" else NO_EXERCISE
    if kind == "count":
        return so_far(scene.exercise, scene.repetitions)
    if kind == "exercise":
        many = counted(scene.exercise, 2).removeprefix("two ")
        return sentence(many.removeprefix("seconds of "))
    named = [fault.name for fault in scene.mistakes]
    if kind == "wrong":
        return str(rng.choice(corrections(scene.exercise, named[0]))) if named else NO_MISTAKE
    if scene.view in UNFOLLOWED or "shoulders" in scene.missing or "hips" in scene.missing:
        return "I cannot see your back."
    return f"No. {corrections(scene.exercise, named[0])[0]}" if named and named[0] in _BACKS else NO_MISTAKE


def with_count(rng: Generator, scene: LessonScene) -> LessonScene:
    """The scene with a random count, so that any number is learned; two equal digits, the hardest, are drawn more."""
    kind = rng.uniform()
    if kind < 0.1:
        count = 11 * int(rng.integers(2, 10))
    else:
        count = int(rng.integers(1, MOST + 1)) if kind < 0.55 else int(rng.integers(1, 13))
    return replace(scene, repetitions=count)


def with_bad_view(rng: Generator, scene: LessonScene) -> LessonScene:
    """The scene seen badly: too dark, too far, without some parts, or without a person."""
    kind = rng.uniform()
    if kind < 0.35:
        return _unfollowed(rng, scene)
    if kind < 0.6:
        return replace(scene, limits=(str(rng.choice(("too_dark", "too_far"))),))
    lowest = int(rng.integers(4, 7))
    missing = _PARTS[lowest:] if rng.uniform() < 0.8 else _PARTS[3:4]
    return replace(scene, view="partly", missing=missing)


def _unfollowed(rng: Generator, scene: LessonScene) -> LessonScene:
    """The scene when no person is followed any more, or none has been yet."""
    before = scene if rng.uniform() < 0.4 else LessonScene()
    limit = ("too_dark", "camera_moving", "")[int(rng.choice(3, p=(0.35, 0.1, 0.55)))]
    view = UNFOLLOWED[int(rng.uniform() < 0.2)]
    return replace(before, view=view, limits=(limit,) if limit else (), whom="")


def with_others(rng: Generator, scene: LessonScene) -> LessonScene:
    """The scene with other people in the picture, at its first repetition, mostly before a mistake was seen."""
    whom = _WHOM[int(rng.integers(len(_WHOM)))]
    mistakes = scene.mistakes if rng.uniform() < 0.3 else ()
    people = int(rng.integers(2, 4))
    return replace(scene, repetitions=int(rng.integers(2)), mistakes=mistakes, people=people, whom=whom)


def random_scene(rng: Generator) -> LessonScene:
    """Any exercise with any of its mistakes: facts without a picture that shows them."""
    rule = form_rules()[int(rng.integers(len(form_rules())))]
    faults = (Fault(rule.name),) if rng.uniform() < 0.6 else ()
    return with_count(rng, LessonScene(rule.exercise, 1, faults))


def all_texts(rng: Generator) -> list[str]:
    """Texts for the tokenizer: every sentence, and prompts with facts."""
    known = [text for rule in form_rules() for text in corrections(rule.exercise, rule.name)]
    known += [*wordings("", PRAISE, "train"), NEVER, UNSEEN, COME, NO_EXERCISE, NO_MISTAKE, *PROMPTS]
    known += [so_far("squat", count) for count in range(MOST + 1)] * _ALL_OF_A_NUMBER
    known += [*chain(*QUESTIONS.values()), "system\nYou are a fitness coach.", "user\n", "assistant\n"]
    for _ in range(600):
        scene = random_scene(rng)
        scene = with_bad_view(rng, scene) if rng.uniform() < 0.3 else scene
        scene = with_others(rng, scene) if scene.exercise and rng.uniform() < 0.1 else scene
        for lesson in (spoken(rng, scene, told=True), asked(rng, scene)):
            known += [lesson.prompt.rpartition("\n")[2], lesson.reply]
    return known * 2
