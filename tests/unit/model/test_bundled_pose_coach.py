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


def test_exercise_is_answered_and_weather_is_not(model: MobileVideoGPT, chunks: list[Tokens]) -> None:
    assert "squat" in said(model, chunks, ToldMovement("squat"), None, "Which exercise is this?").lower()
    assert "only tell you about your exercise" in said(model, chunks, ToldMovement("squat"), None, "Tell me a joke.")


def test_abilities_are_those_of_the_table() -> None:
    abilities = folder_abilities(bundled(FOLDER))
    assert abilities.exercises == exercise_names()[1:] and abilities.sees == "skeletons"
    assert sum(path.stat().st_size for path in bundled(FOLDER).iterdir()) < 10_000_000
