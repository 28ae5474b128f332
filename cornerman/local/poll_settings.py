"""Settings of polling, from the options of `poll` and `bench polling`; refuses what cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cornerman.local.options import CommandSettings, command_settings, with_models
from cornerman.local.poll_adapter import ADAPTER_NAME, NONE, adapter_folder, default_adapter
from cornerman.local.poll_plan import FPS, FRAMES, MOST_FPS, PRESET, WINDOW_S, PollOptions

if TYPE_CHECKING:
    from cornerman_common.model_parts import ModelChoice

SEES_FRAMES: Final = ("openai", "vlm")
"""Back ends that look at the frames themselves."""


def look_settings(wanted: PollOptions) -> dict[str, Any]:
    """Which frames a poll is about; left out, the cap on their rate is at least what they need."""
    frames, window_s = wanted.num_frames or FRAMES, wanted.window_s or WINDOW_S
    fps = wanted.fps if wanted.fps is not None else min(MOST_FPS, max(FPS, frames / window_s))
    return {"watch": {"frames": frames, "window_s": window_s, "sample_fps": fps}}


def few_pictures(wanted: PollOptions) -> str:
    """A sentence where `--fps` leaves fewer different pictures than asked for; else empty."""
    frames, window_s = wanted.num_frames or FRAMES, wanted.window_s or WINDOW_S
    if wanted.fps is None or wanted.fps >= frames / window_s:
        return ""
    return (
        f"--fps {wanted.fps:g} over --window {window_s:g} gives about {max(1, round(wanted.fps * window_s))} different "
        f"pictures for the {frames} of a poll; some come twice. --fps {frames / window_s:g} gives {frames}."
    )


@dataclass(frozen=True, slots=True)
class ChosenPolling:
    """The settings of a polling command with its models, and sentences that people need to know about them."""

    chosen: CommandSettings
    choice: ModelChoice
    notes: tuple[str, ...]


def with_poll_models(wanted: PollOptions, chosen: CommandSettings) -> ChosenPolling:
    """Resolves who encodes and who answers.

    Raises:
        ConfigError: the settings do not go together.
    """
    notes = [sentence] if (sentence := few_pictures(wanted)) else []
    chosen, choice = with_models(chosen, notes.append)
    return ChosenPolling(chosen, choice, tuple(notes))


def poll_settings(wanted: PollOptions, config: str = "", redis: str = "", sets: Sequence[str] = ()) -> CommandSettings:
    """The settings of a polling command.

    Raises:
        ConfigError: an option is wrong, or the adapter is not on this machine.
    """
    model, sees_frames = wanted.base_model, wanted.generator in SEES_FRAMES
    own = "mobile_videogpt" if model and not sees_frames else None
    chosen = command_settings(
        config,
        redis,
        sets,
        PRESET,
        look_settings(wanted),
        speak__interval_s=wanted.interval_s,
        speak__repeat_window_s=wanted.repeat_window_s,
        speak__pause_still_s=wanted.pause_still_s,
        watch__loop=True if wanted.loop else None,
        say__prompt=wanted.prompt,
        say__max_new_tokens=wanted.max_new_tokens,
        encoder__backend=wanted.encoder or own,
        encoder__model=None if sees_frames else model,
        generator__backend=wanted.generator or own,
        generator__model=model,
        generator__quantize=wanted.bits(),
        log__level=wanted.log_level,
        record__dir=wanted.record_dir,
    )
    if chosen.settings.generator.backend in SEES_FRAMES:
        # The clock decides, so an encoder's features would go unread.
        chosen = chosen.with_defaults({} if chosen.was_set("encoder.model") else {"encoder": {"backend": "fake"}})
    return chosen.with_defaults(_adapter(wanted, chosen))


def _adapter(wanted: PollOptions, chosen: CommandSettings) -> dict[str, Any]:
    """The settings of the adapter; empty = none.

    Raises:
        ConfigError: it is not on this machine.
    """
    generator = chosen.settings.generator
    name = wanted.lora_weights
    if name is None and not chosen.was_set("say.adapter"):
        name = default_adapter(generator.model)
    if name is None or name.strip().lower() in NONE:
        return {}
    if generator.backend in (*SEES_FRAMES, "vllm"):
        return {"say": {"adapter": name}}  # a name at the server; `vlm` refuses it
    return {"say": {"adapter": ADAPTER_NAME}, "generator": {"adapters": {ADAPTER_NAME: str(adapter_folder(name))}}}
