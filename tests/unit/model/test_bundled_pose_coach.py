"""The bundled words on skeletons: sentences of the model about what was seen, from tokens of a person and of no one."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from cornerman_common.abilities import folder_abilities
from cornerman_common.bundle import bundled
from cornerman_common.pose_choice import FOLDER
from cornerman_pose.facts import prompt_with_facts
from cornerman_pose.movements import exercise_names
from cornerman_pose.tokens import PoseProjector
from cornerman_training.gym.phrases import PROMPT
from cornerman_training.pose_words.wordings import so_far
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.tokens import Tokens
from tests.unit.pose.bodies import chunk, person


@dataclass(frozen=True)
class ToldFault:
    name: str


@dataclass(frozen=True)
class ToldMovement:
    exercise: str
    repetitions: int = 3
    mistakes: tuple[ToldFault, ...] = ()
    view: str = "whole"
    missing: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    people: int = 1
    whom: str = ""


@pytest.fixture(scope="module")
def model() -> MobileVideoGPT:
    return MobileVideoGPT.from_pretrained(bundled(FOLDER), part="language", device="cpu")


@pytest.fixture(scope="module")
def chunks() -> list[Tokens]:
    tokens = PoseProjector.load(bundled(FOLDER, "projector.safetensors")).tokens(chunk([person()]))
    return [Tokens(torch.from_numpy(tokens.context), torch.from_numpy(tokens.video), torch.zeros(1))] * 3


def said(
    model: MobileVideoGPT, chunks: list[Tokens], seen: ToldMovement, action: str | None, prompt: str = PROMPT
) -> str:
    ids = [[4 * number + frame for frame in range(8)] for number in range(3)]
    asked = prompt_with_facts(prompt, seen)
    return "".join(delta.text for delta in model.generate(chunks, asked, frame_ids=ids, action=action)).strip()


@pytest.mark.parametrize("exercise", ["squat", "push_up", "jumping_jack", "lunge"])
def test_praise_tells_exercise_and_count(model: MobileVideoGPT, chunks: list[Tokens], exercise: str) -> None:
    text = said(model, chunks, ToldMovement(exercise), "feedback").lower()
    assert "three" in text and exercise.replace("_", " ").replace("push up", "push-up") in text


@pytest.mark.parametrize(
    ("exercise", "mistake", "part"),
    [("push_up", "hips_high", "hip"), ("squat", "knees_in", "knee"), ("jumping_jack", "low_arms", "arm")],
)
def test_correction_names_the_part(
    model: MobileVideoGPT, chunks: list[Tokens], exercise: str, mistake: str, part: str
) -> None:
    text = said(model, chunks, ToldMovement(exercise, 5, (ToldFault(mistake),)), "correct").lower()
    assert part in text or (part == "arm" and "hand" in text)


def test_hidden_feet_are_asked_for(model: MobileVideoGPT, chunks: list[Tokens]) -> None:
    seen = ToldMovement("", 0, (), "partly", ("knees", "feet"))
    assert "feet" in said(model, chunks, seen, "feedback").lower()


@pytest.mark.parametrize("count", [2, 8, 11, 12, 15, 21, 30])
def test_count_is_answered(model: MobileVideoGPT, chunks: list[Tokens], count: int) -> None:
    seen = ToldMovement("deadlift", count, (ToldFault("chest_low"),))
    assert said(model, chunks, seen, None, "How many did I do?") == so_far("deadlift", count)


@pytest.mark.parametrize("place", ["on the left", "in the middle", "on the right"])
def test_one_of_several_is_named(model: MobileVideoGPT, chunks: list[Tokens], place: str) -> None:
    seen = ToldMovement("push_up", 0, people=3, whom=f"the person {place}")
    assert said(model, chunks, seen, "feedback") == f"I am watching the person {place}."


@pytest.mark.parametrize(
    ("view", "limits", "words"),
    [
        ("no_person", (), "I cannot see you, come closer to the camera."),
        ("no_person", ("too_dark",), "It is too dark, turn on a light."),
        ("whole", ("too_far",), "Come closer, you are too far away."),
        ("several", (), "I cannot see you, come closer to the camera."),
    ],
    ids=["no one", "dark", "far", "several"],
)
def test_bad_view_is_said(
    model: MobileVideoGPT, chunks: list[Tokens], view: str, limits: tuple[str, ...], words: str
) -> None:
    assert said(model, chunks, ToldMovement("", 0, (), view, (), limits), "feedback") == words


def test_exercise_is_answered_and_weather_is_not(model: MobileVideoGPT, chunks: list[Tokens]) -> None:
    assert "squat" in said(model, chunks, ToldMovement("squat"), None, "Which exercise is this?").lower()
    assert "only tell you about your exercise" in said(model, chunks, ToldMovement("squat"), None, "Tell me a joke.")


def test_abilities_are_those_of_the_table() -> None:
    abilities = folder_abilities(bundled(FOLDER))
    assert abilities.exercises == exercise_names()[1:] and abilities.sees == "skeletons"
    assert sum(path.stat().st_size for path in bundled(FOLDER).iterdir()) < 10_000_000
