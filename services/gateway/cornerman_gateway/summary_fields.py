"""The fields of a session's summary, and the same as text. Pure."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field


class ExerciseSet(BaseModel):
    """Repetitions of one exercise in a row; a pause that ends the coach's count begins another set."""

    exercise: str
    hold: Annotated[bool, Field(description="counted in seconds")]
    repetitions: Annotated[int, Field(description="as the coach counted; seconds of a hold")]
    with_mistakes: int
    mistakes: dict[str, int]
    began_s: Annotated[float, Field(description="media time, seconds")]
    ended_s: float


class SummaryMoment(BaseModel):
    """A moment that is worth another look."""

    pts_s: float
    what: str
    text: Annotated[str, Field(description="the coach's words about it; empty = none")] = ""


class WorkPoint(BaseModel):
    """A mistake to work on."""

    mistake: str
    times: int
    text: Annotated[str, Field(description="what the coach said about it last; empty = nothing")] = ""
    pts_s: Annotated[float | None, Field(description="media time of those words")] = None


class SessionSummary(BaseModel):
    """A run of a source, for the person who exercised."""

    source_id: str
    run: str
    seconds: Annotated[float, Field(description="media time of the last decision")]
    sets: list[ExerciseSet]
    best: SummaryMoment | None
    worst: SummaryMoment | None
    work_on: Annotated[list[WorkPoint], Field(description="the most frequent mistake first")]


def to_text(summary: SessionSummary) -> str:
    """The summary for a terminal."""
    out = [f"{summary.source_id}: {clock(summary.seconds)} watched"]
    out += [f"  {set_line(one)}" for one in summary.sets] or ["  no exercise was seen"]
    for name, moment in (("best", summary.best), ("worst", summary.worst)):
        if moment is not None:
            out.append(f"  {name}: {clock(moment.pts_s)} {moment.what}")
    for point in summary.work_on:
        out.append(f"  work on: {point.mistake} ({point.times}x){f': {point.text}' if point.text else ''}")
    return "\n".join(out)


def set_line(done: ExerciseSet) -> str:
    """One set as "12 squat, 3 with mistakes (too shallow 2, knees in 1)"."""
    count = f"{done.repetitions} s {done.exercise}" if done.hold else f"{done.repetitions} x {done.exercise}"
    if not done.mistakes:
        return f"{count}, no mistake"
    named = ", ".join(f"{name} {times}" for name, times in done.mistakes.items())
    unit = " s" if done.hold else ""
    return f"{count}, {done.with_mistakes}{unit} with mistakes ({named})"


def clock(seconds: float) -> str:
    """Media time as mm:ss.

    >>> clock(75.2)
    '01:15'
    """
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"
