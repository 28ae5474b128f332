"""Looks: which frames one inference is about, and when it is due. Resolves a source's settings into a plan. Pure.

Three kinds: `chunk`, the coach's 8 sampled frames in a row; `poll`, frames spread evenly over a window, at a fixed
interval; `stride`, every n-th sampled frame back from the newest, for commentary.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cornerman_shared.chunk import CHUNK_FRAMES

if TYPE_CHECKING:
    from cornerman_shared.bus.messages import Look
    from cornerman_shared.settings.source import SourceSpec, SpeakSettings, WatchSettings

FRAMES: Final[dict[Look, int]] = {"chunk": CHUNK_FRAMES, "poll": 16, "stride": CHUNK_FRAMES}
"""Frames of a look where `watch.frames` is 0."""


@dataclass(frozen=True, slots=True)
class LookPlan:
    """How the looks of a source are cut.

    Attributes:
        kind: of the looks.
        sample_fps: frames sampled a second of media time; of a poll, at most.
        overlap: chunk: frames that it shares with the one before.
        frames: of one look.
        stride: stride look: every n-th sampled frame is taken.
        window_s: poll: its frames are spread over so many last seconds.
        interval_s: seconds of media time between polls, or stride looks.
    """

    kind: Look
    sample_fps: float
    overlap: int
    frames: int = CHUNK_FRAMES
    stride: int = 1
    window_s: float = 0.0
    interval_s: float = 0.0

    @property
    def moments(self) -> int:
        """Moments of a poll that have a frame of their own: fewer than `frames` where `sample_fps` is low."""
        return max(1, min(self.frames, math.floor(self.window_s * self.sample_fps + 1e-6)))

    def first_poll_s(self, since_s: float = 0.0) -> float:
        """Media time of the first poll, about, of frames since `since_s`: its window is full."""
        return since_s + self.window_s


def kind_of(spec: SourceSpec) -> Look:
    """The kind of a source's looks; `auto` follows mode and strategy."""
    if spec.watch.look != "auto":
        return spec.watch.look
    if (spec.mode, spec.speak.strategy) == ("polling", "interval"):
        return "poll"
    return "stride" if (spec.mode, spec.speak.strategy) == ("commentary", "scene") else "chunk"


def look_plan(spec: SourceSpec) -> LookPlan:
    """The looks that a source's settings ask for."""
    return plan_of(kind_of(spec), spec.watch, spec.speak)


def note_of_start(plan: LookPlan, since_s: float = 0.0) -> str:
    """When the first poll of a run that begins at `since_s` comes, for people; empty for other looks."""
    if plan.kind != "poll":
        return ""
    at_s = plan.first_poll_s(since_s)
    full = f"the first poll comes at {at_s:g} s, when its window of {plan.window_s:g} s is full"
    return f"{full}; then one every {plan.interval_s:g} s"


def too_short(plan: LookPlan, sampled: int, length_s: float) -> str:
    """Why a source gave no look, for people.

    Args:
        plan: how its looks are cut.
        sampled: its sampled frames.
        length_s: media time of its last frame, seconds.
    """
    if plan.kind == "poll":
        first = f"the first comes at {plan.first_poll_s():g} s, when its window is full"
        return f"too short for a poll: its last frame is at {length_s:.2f} s; {first}; give a smaller watch.window_s"
    what = "a chunk" if plan.kind == "chunk" else "a look"
    needed = (plan.frames - 1) * plan.stride + 1
    needed_s = needed / plan.sample_fps
    return f"too short for {what}: {sampled} of {needed} sampled frames; {needed_s:.1f} s needed"


def plan_of(kind: Look, watch: WatchSettings, speak: SpeakSettings) -> LookPlan:
    """The plan of looks of one kind. What another kind uses is left out, so that it makes no difference."""
    if kind == "chunk":
        return LookPlan(kind, watch.sample_fps, watch.overlap)
    return LookPlan(
        kind,
        watch.sample_fps,
        overlap=0,
        frames=watch.frames or FRAMES[kind],
        stride=watch.stride if kind == "stride" else 1,
        window_s=watch.window_s if kind == "poll" else 0.0,
        interval_s=speak.interval_s,
    )
