"""Settings of polling, from the options of `poll` and `bench polling`; refuses what cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cornerman.local.options import CommandSettings, command_settings, with_models
from cornerman.local.poll_adapter import ADAPTER_NAME, NONE, adapter_folder, default_adapter
from cornerman.local.poll_plan import FRAMES, PRESET, WINDOW_S, PollOptions
from cornerman_shared.chunk import CHUNK_FRAMES
from cornerman_shared.errors import ConfigError

if TYPE_CHECKING:
    from cornerman_common.model_parts import ModelChoice

SEES_FRAMES: Final = ("openai", "vlm")
"""Back ends that look at the frames themselves."""


def look_settings(wanted: PollOptions) -> dict[str, Any]:
    """Which frames a poll is about.

    Raises:
        ConfigError: the number of frames cannot be.
    """
    frames, window_s = wanted.num_frames or FRAMES, wanted.window_s or WINDOW_S
    if frames < CHUNK_FRAMES or frames % CHUNK_FRAMES:
        raise ConfigError(f"--num-frames {frames}: give 8, 16 or more eights; frames travel in chunks of 8")
    rate = frames / window_s
    return {
        "watch": {"sample_fps": min(rate, wanted.fps) if wanted.fps else rate},
        "speak": {"context_chunks": frames // CHUNK_FRAMES},
    }


@dataclass(frozen=True, slots=True)
class ChosenPolling:
    """The settings of a polling command with its models, and sentences that people need to know about them."""

    chosen: CommandSettings
    choice: ModelChoice
    notes: tuple[str, ...]


def with_poll_models(chosen: CommandSettings) -> ChosenPolling:
    """Resolves who encodes and who answers.

    Raises:
        ConfigError: the settings do not go together.
    """
    notes: list[str] = []
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
