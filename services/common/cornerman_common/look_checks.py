"""Refuses looks that a source's strategy and models cannot deal with, before anything starts. Reads settings only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cornerman_common.looks import look_plan
from cornerman_shared.chunk import CHUNK_FRAMES, READS_CHUNKS
from cornerman_shared.errors import ConfigError

if TYPE_CHECKING:
    from cornerman_common.looks import LookPlan
    from cornerman_shared.settings.source import SourceSpec
    from cornerman_shared.settings.tree import Settings

READS_FRAMES: Final = {"mobile_videogpt": (CHUNK_FRAMES, 16), "pose": (CHUNK_FRAMES,)}
"""Numbers of frames that an encoder's model was trained with; back ends that are not named read any number."""

SEES_FRAMES: Final = ("openai", "vlm")
"""Generators that look at the frames themselves."""


def check_look(spec: SourceSpec, settings: Settings) -> None:
    """Checks the looks of a source against its strategy and the models of the settings.

    Raises:
        ConfigError: names the settings that do not go together, and the remedy.
    """
    plan, strategy = look_plan(spec), spec.speak.strategy
    if plan.kind != "chunk" and strategy in READS_CHUNKS:
        free = "interval" if plan.kind == "poll" else "scene"
        raise ConfigError(
            f"watch.look = {plan.kind!r}, but speak.strategy = {strategy!r} judges chunks of {CHUNK_FRAMES} frames; "
            f"give speak.strategy={free}, or watch.look=chunk"
        )
    _check_frames(plan, settings)


def _check_frames(plan: LookPlan, settings: Settings) -> None:
    """The encoder and the generator must deal with the number of frames."""
    encoder, generator = settings.encoder.backend, settings.generator.backend
    what = f"watch.frames = {plan.frames} of a {'stride look' if plan.kind == 'stride' else plan.kind}"
    if plan.kind != "chunk" and generator in SEES_FRAMES and plan.frames > settings.generator.max_images:
        raise ConfigError(
            f"{what}, but generator.max_images = "
            f"{settings.generator.max_images}; give fewer frames, or raise generator.max_images"
        )
    read = READS_FRAMES.get(encoder)
    if read is None or plan.frames in read or generator in SEES_FRAMES:
        return
    numbers = " or ".join(map(str, read))
    raise ConfigError(
        f"{what}, but encoder.backend = {encoder!r} reads {numbers} frames; "
        f"give watch.frames={numbers}, or a generator that looks at frames (openai, vlm)"
    )
