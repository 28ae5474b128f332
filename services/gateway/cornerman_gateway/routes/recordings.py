"""`/api/recordings`: landmarks of a source while someone shows an exercise, to teach from."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from cornerman_gateway.app_state import AppState, StateDep
from cornerman_gateway.lookup import Id, find
from cornerman_gateway.recording import PoseRecording
from cornerman_gateway.schemas import RequestModel, with_examples

router = APIRouter(prefix="/api", tags=["exercises"])

RecordingId = Annotated[
    str, Path(pattern="^[0-9a-f]{16}$", description="of the recording", examples=["0f3a5c7e9b1d2f40"])
]


class RecordingNew(RequestModel):
    """How long to record."""

    model_config = with_examples({"seconds": 20})

    seconds: Annotated[float, Field(ge=1, le=120, description="it ends by itself after so long")] = 60.0


class RecordingView(BaseModel):
    """A recording so far."""

    recording_id: str
    source_id: str
    state: Literal["recording", "done"]
    ends_in_s: Annotated[float, Field(description="0 = it has ended")]
    seconds: Annotated[float, Field(description="media time between the first and the last frame")]
    frames: Annotated[int, Field(description="that were looked at")]
    with_person: Annotated[int, Field(description="frames of them that show a person")]
    problem: Annotated[str, Field(description="why it cannot be taught from; empty = it can")]


@router.post("/sources/{source_id}/recordings", status_code=201)
async def begin_recording(source_id: Id, body: RecordingNew, state: StateDep) -> RecordingView:
    """Collects the source's landmarks from now on. Only the pose encoder gives them. No picture is kept."""
    await find(state, source_id)
    return recording_view(state, await state.recordings.begin(source_id, body.seconds))


@router.get("/recordings/{recording_id}")
async def read_recording(recording_id: RecordingId, state: StateDep) -> RecordingView:
    """How far a recording is."""
    return recording_view(state, state.recordings.get(recording_id))


@router.post("/recordings/{recording_id}/stop")
async def stop_recording(recording_id: RecordingId, state: StateDep) -> RecordingView:
    """Ends a recording now. It can be taught from for ten minutes."""
    recording = state.recordings.get(recording_id)
    await state.recordings.stop(recording)
    return recording_view(state, recording)


@router.delete("/recordings/{recording_id}", status_code=204)
async def remove_recording(recording_id: RecordingId, state: StateDep) -> None:
    """Forgets a recording."""
    state.recordings.remove(recording_id)


def recording_view(state: AppState, recording: PoseRecording) -> RecordingView:
    """A recording as the API shows it."""
    return RecordingView(
        recording_id=recording.recording_id,
        source_id=recording.source_id,
        state="done" if recording.ended.is_set() else "recording",
        ends_in_s=round(state.recordings.ends_in_s(recording), 3),
        seconds=round(recording.seconds, 3),
        frames=recording.frames,
        with_person=recording.with_person,
        problem=recording.problem,
    )
