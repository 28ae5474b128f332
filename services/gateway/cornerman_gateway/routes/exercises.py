"""`/api/exercises`: the user's own exercises; list, read, write, remove, and teach one from a recording."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from cornerman_common.exercise_file import MAX_BYTES, MAX_SENTENCE
from cornerman_common.exercise_library import ExerciseTakenError, check_exercise_name
from cornerman_common.saved_folder import NAME
from cornerman_gateway.app_state import AppState, StateDep
from cornerman_gateway.exercises import (
    ExerciseList,
    OwnExercise,
    TaughtView,
    exercise_view,
    good_from,
    mistake_from,
    right_from,
)
from cornerman_gateway.models import models_in_use
from cornerman_gateway.problems import FieldProblem, Problem, wrong_field
from cornerman_gateway.schemas import RequestModel, as_sent, with_examples
from cornerman_pose.errors import PoseError
from cornerman_pose.movements import exercise_names
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.source import Plain

if TYPE_CHECKING:
    from cornerman_gateway.recording import PoseRecording

router = APIRouter(prefix="/api", tags=["exercises"])

ExerciseName = Annotated[
    str, Path(pattern=f"^{NAME.pattern}$", description="name of the exercise", examples=["calf_raise"])
]


class ExerciseText(BaseModel):
    """An own exercise as its file."""

    name: str
    text: Annotated[str, Field(description="YAML with packed numbers; give it to others as it is")]


class ExerciseTextNew(RequestModel):
    """The file of an own exercise, as GET or `cornerman exercises show` gives it."""

    text: Annotated[
        Plain,
        Field(min_length=1, max_length=MAX_BYTES, description="YAML: version, title, parts, good, mistakes"),
        as_sent(MAX_BYTES),
    ]


class TeachNew(RequestModel):
    """What a recording shows: right repetitions, or with `say` wrong ones of an exercise that is there."""

    model_config = with_examples(
        {"recording_id": "0f3a5c7e9b1d2f40", "title": "Calf raise", "repetitions": 5},
        {"recording_id": "1f3a5c7e9b1d2f41", "say": "Heels up!"},
    )

    recording_id: Annotated[
        str, Field(pattern="^[0-9a-f]{16}$", description="of POST /api/sources/{source_id}/recordings")
    ]
    title: Annotated[Plain, Field(max_length=80, description="as people see it; empty = the name"), as_sent(80)] = ""
    repetitions: Annotated[int, Field(ge=2, le=30, description="in the recording")] = 5
    say: Annotated[
        Plain,
        Field(max_length=MAX_SENTENCE, description="what to say about the mistake; empty = right repetitions"),
        as_sent(MAX_SENTENCE),
    ] = ""
    praise: Annotated[
        Plain,
        Field(max_length=MAX_SENTENCE, description="what to say now and then about right repetitions; empty = nothing"),
        as_sent(MAX_SENTENCE),
    ] = ""
    words: Annotated[Literal["owner", "model"], Field(description="whose words are spoken about the mistake")] = "owner"
    replace: Annotated[bool, Field(description="right repetitions may take the place of an exercise")] = False


@router.get("/exercises")
async def list_exercises(state: StateDep) -> ExerciseList:
    """Own exercises; those that cannot be used say why."""
    files = await asyncio.to_thread(state.exercises.all)
    return ExerciseList(exercises=[exercise_view(file) for file in files], bundled=sorted(exercise_names()))


@router.get("/exercises/{name}")
async def read_exercise(name: ExerciseName, state: StateDep) -> ExerciseText:
    """An exercise's file."""
    await _check_known(state, name)
    try:
        return ExerciseText(name=name, text=await asyncio.to_thread(state.exercises.text, name))
    except ConfigError as error:
        raise _refused(name, error) from None


@router.put("/exercises/{name}")
async def write_exercise(name: ExerciseName, body: ExerciseTextNew, state: StateDep) -> OwnExercise:
    """Creates or replaces an exercise from a file that was shared."""
    try:
        return exercise_view(await asyncio.to_thread(state.exercises.save_text, name, body.text))
    except ConfigError as error:
        raise _refused(name, error) from None


@router.delete("/exercises/{name}", status_code=204)
async def remove_exercise(name: ExerciseName, state: StateDep) -> None:
    """Removes an exercise. Sources that look for it say in an error event that it is missing."""
    await _check_known(state, name)
    try:
        await asyncio.to_thread(state.exercises.remove, name)
    except ConfigError as error:
        raise _refused(name, error) from None


@router.post("/exercises/{name}/teach")
async def teach(name: ExerciseName, body: TeachNew, state: StateDep) -> TaughtView:
    """Learns from a recording and saves. Without `say` it makes an exercise, with `say` it adds a mistake to one.

    A recording under way is stopped first. What cannot be learned from is refused, with the repetitions that it
    shows, and the recording can be taught from again, with another number of repetitions.
    """
    try:
        check_exercise_name(name)
    except ConfigError as error:
        raise wrong_field("name", str(error)) from None
    say = body.say.strip()
    if say:
        await _check_known(state, name)
        if body.words == "model":
            await _check_model_words(state)
    elif not body.replace and await asyncio.to_thread(state.exercises.has, name):
        raise _taken(name)
    recording = state.recordings.get(body.recording_id)
    await state.recordings.stop(recording)
    _check_usable(recording)
    try:
        view = await asyncio.to_thread(_learn, state, name, body, say, recording)
    except PoseError as error:
        raise wrong_field("recording_id", str(error)) from None
    except ConfigError as error:
        raise _refused(name, error, "say") from None
    return view


def _learn(state: AppState, name: str, body: TeachNew, say: str, recording: PoseRecording) -> TaughtView:
    library = state.exercises
    if say:
        known = library.get(name)
        right = library.right(known)
        mistake, seen, doubts = mistake_from(recording, known, say, body.words, body.repetitions, right)
        saved = library.save_mistake(name, mistake)
    else:
        exercise, seen, doubts = good_from(recording, name, body.title.strip(), body.repetitions, body.praise.strip())
        shown = right_from(recording, body.repetitions)
        saved = library.save(exercise, replaces=body.replace, right=shown)
    return TaughtView(exercise=exercise_view(saved), seen=seen, doubts=list(doubts))


def _check_usable(recording: PoseRecording) -> None:
    if recording.problem:
        raise wrong_field("recording_id", recording.problem)
    if not recording.chunks:
        raise wrong_field(
            "recording_id",
            f"no landmarks came from {recording.source_id!r} while it was recorded; teach at a source that plays, "
            "with encoder.backend = pose (`--encoder pose`)",
        )


async def _check_known(state: AppState, name: str) -> None:
    if not await asyncio.to_thread(state.exercises.has, name):
        raise Problem(404, "there is no such exercise", f"exercise {name!r}: GET /api/exercises lists those there are")


async def _check_model_words(state: AppState) -> None:
    choice = await models_in_use(state)
    if choice.abilities.exercises is not None:
        raise wrong_field(
            "words",
            f"{choice.generator.in_words()} knows its own exercises only and has no words for yours; "
            'send "owner", or set generator.backend to vlm or openai',
        )


def _taken(name: str) -> Problem:
    return Problem(409, "the exercise is there already", f"exercise {name!r}: send replace, or take another name")


def _refused(name: str, error: ConfigError, field: str = "text") -> Problem:
    """409 for a name that was taken meanwhile; 422 with a line for each fault of a field."""
    if isinstance(error, ExerciseTakenError):
        return _taken(name)
    lines = str(error).splitlines()
    errors = [FieldProblem(field=field, message=line) for line in lines]
    return Problem(422, f"exercise {name!r} is not usable", "; ".join(lines), errors=errors)
