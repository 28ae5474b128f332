"""Settings of one source.

A `SourceSpec` is stored in Redis in the shard of its source; a change takes effect within a second.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from cornerman_shared.chunk import CHUNK_FRAMES, MAX_HELD
from cornerman_shared.text import clean_text

Mode = Literal["coach", "polling", "commentary"]
Strategy = Literal["interval", "rules", "scene", "head", "skeleton", "llm"]
LookKind = Literal["auto", "chunk", "poll", "stride"]
"""Which frames one inference is about. `cornerman_common.looks` resolves `auto` by mode and strategy."""

MAX_PROMPT = 8_000
"""Characters of a prompt. It goes into every request and event, so a long one fills the streams."""
MAX_QUESTION = 2_000
SOURCE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Plain = Annotated[str, BeforeValidator(lambda value: clean_text(value) if isinstance(value, str) else value)]
"""Text from outside: cleaned before it is checked."""


class Section(BaseModel):
    """Base class of settings: frozen; an unknown name or an infinite number is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class WatchSettings(Section):
    """Capture: which frames become chunks, polls and commentary looks."""

    sample_fps: Annotated[
        float, Field(gt=0, le=60, description="frames sampled a second of media time; of a poll, at most")
    ] = 8.0
    overlap: Annotated[int, Field(ge=0, le=7, description="frames a chunk shares with the one before")] = 4
    look: Annotated[
        LookKind,
        Field(description="chunk, poll or stride; auto = poll in mode polling, stride in mode commentary, else chunk"),
    ] = "auto"
    frames: Annotated[
        int, Field(ge=0, le=64, description="frames of a poll or stride look; 0 = 16 of a poll, 8 of the others")
    ] = 0
    stride: Annotated[
        int, Field(ge=1, le=64, description="look stride: takes every n-th sampled frame, back from the newest")
    ] = 1
    window_s: Annotated[
        float, Field(gt=0, le=120, description="look poll: its frames are spread over so many last seconds")
    ] = 4.0
    credit: Annotated[int, Field(ge=1, le=64, description="chunks of this source on the bus at most")] = 4
    lossless: Annotated[bool, Field(description="wait for credit instead of skipping (files)")] = False
    realtime: Annotated[bool, Field(description="play files at their own speed")] = True
    follow: Annotated[bool, Field(description="a file is being written: wait for more at its end (MKV, TS)")] = False
    loop: Annotated[bool, Field(description="start files again at their end")] = False
    display: Annotated[bool, Field(description="make JPEGs for the page while a viewer is connected")] = True
    give_up_s: Annotated[
        float,
        Field(ge=0, description="one that never gave a frame fails after this; 0 = never; `run`: 15 if unset"),
    ] = 0.0

    @model_validator(mode="after")
    def _check_frames(self) -> Self:
        if self.look == "chunk" and self.frames not in (0, CHUNK_FRAMES):
            raise ValueError(
                f"frames = {self.frames}, but a chunk has {CHUNK_FRAMES}; leave frames out, or give look poll or stride"
            )
        if self.frames * self.stride > MAX_HELD:
            raise ValueError(
                f"frames = {self.frames} with stride = {self.stride} holds {self.frames * self.stride} frames of "
                f"{MAX_HELD}; give a lower sample_fps instead of a long stride"
            )
        return self


class SpeakSettings(Section):
    """Decider: when to speak."""

    strategy: Annotated[Strategy, Field(description="who decides when to speak")] = "rules"
    interval_s: Annotated[
        float,
        Field(gt=0, description="seconds of media time between polls, stride looks, or what strategy interval says"),
    ] = 3.0
    pause_still_s: Annotated[
        float,
        Field(ge=0, description="strategy interval: silent after so long without motion or people; 0 = off"),
    ] = 0.0
    still_motion: Annotated[
        float, Field(gt=0, le=1, description="strategy interval: motion that counts; below half of it nothing moves")
    ] = 0.01
    every_chunks: Annotated[int, Field(ge=1, le=1_000_000, description="strategy rules: speak at every n-th chunk")] = 5
    motion_threshold: Annotated[
        float, Field(ge=0, le=1, description="strategy rules: motion that asks for feedback")
    ] = 0.7
    motion_release: Annotated[float, Field(ge=0, le=1, description="strategy rules: motion below which it is over")] = (
        0.56
    )
    scene_threshold: Annotated[
        float, Field(ge=0, le=255, description="strategy scene: mean grey levels that count as change")
    ] = 5.0
    confidence_threshold: Annotated[float, Field(ge=0, le=1, description="below it: silence")] = 0.75
    min_interval_s: Annotated[float, Field(ge=0, description="seconds of media time between feedbacks")] = 3.0
    repeat_window_s: Annotated[float, Field(ge=0, description="the same text is not sent twice within it; 0 = off")] = (
        10.0
    )
    context_chunks: Annotated[int, Field(ge=1, le=16, description="chunks the generator sees")] = 3
    context_timeout_s: Annotated[float, Field(ge=0, description="context older than this is dropped; 0 = never")] = 10.0
    clear_context: Annotated[bool, Field(description="forget the context after feedback")] = True
    deadline_s: Annotated[float, Field(ge=0, description="live: a request older than this expires; 0 = never")] = 5.0
    max_age_s: Annotated[
        float, Field(ge=0, description="live: a question about a picture older than this is refused; 0 = never")
    ] = 30.0
    gap_s: Annotated[float, Field(ge=0, description="live: a missing chunk is skipped after this")] = 2.0
    exercises: Annotated[
        tuple[Annotated[Plain, Field(pattern="^[a-z0-9][a-z0-9_-]{0,39}$")], ...],
        Field(max_length=8, description="strategy skeleton: own exercises to look for; empty = the bundled ones"),
    ] = ()
    head: Annotated[
        Plain, Field(max_length=4096, description="strategy head: folder of the trained head; empty = the bundled one")
    ] = ""


class SaySettings(Section):
    """Generator: what to say."""

    prompt: Annotated[Plain, Field(max_length=MAX_PROMPT, description="question to the model about the chunks")] = (
        "Please evaluate the exercise form shown. What mistakes, if any, are present, "
        "and what corrections would you recommend?"
    )
    system_prompt: Annotated[Plain, Field(max_length=MAX_PROMPT, description="empty = the model's own")] = ""
    max_new_tokens: Annotated[int, Field(ge=1, le=4096, description="length of an answer, at most")] = 128
    temperature: Annotated[float, Field(ge=0, le=5, description="0 = greedy")] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1, description="sampling from the likeliest with this much together")] = 1.0
    repetition_penalty: Annotated[float, Field(ge=0.5, le=3, description="above 1: repeats less; 1 = off")] = 1.0
    adapter: Annotated[Plain, Field(max_length=1024, description="LoRA adapter by name or path; empty = none")] = ""


class SourceSpec(Section):
    """Settings of one video source."""

    source_id: str
    url: Annotated[str, Field(min_length=1, description="file, rtsp://, http(s)://, device, test:// or push://")]
    mode: Mode = "coach"
    paused: bool = False
    watch: WatchSettings = WatchSettings()
    speak: SpeakSettings = SpeakSettings()
    say: SaySettings = SaySettings()
    revision: Annotated[int, Field(ge=0, description="raised by every change")] = 0

    @field_validator("source_id")
    @classmethod
    def _check_source_id(cls, value: str) -> str:
        if not SOURCE_ID.fullmatch(value):
            raise ValueError(
                f"source_id {value!r} is not usable: give 1 to 64 letters, digits, '.', '_' or '-', "
                "beginning with a letter or digit"
            )
        return value
