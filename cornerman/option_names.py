"""Puts the options that were typed in place of the settings that an error names.

Checks know settings only, because a setting may come from a file, a variable or an option.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

WITH_VALUE: Final[Mapping[str, tuple[str, ...]]] = {
    "--num-frames": ("watch.frames",),
    "--window": ("watch.window_s",),
    "--fps": ("watch.sample_fps",),
    "--polling-interval": ("speak.interval_s",),
    "--interval": ("speak.interval_s",),
    "--repeat-window": ("speak.repeat_window_s",),
    "--pause-still": ("speak.pause_still_s",),
    "--exercise": ("speak.exercises",),
    "--strategy": ("speak.strategy",),
    "--prompt": ("say.prompt",),
    "--max-new-tokens": ("say.max_new_tokens",),
    "--lora-weights": ("say.adapter",),
    "--encoder": ("encoder.backend",),
    "--generator": ("generator.backend",),
    "--model": ("generator.model",),
    "--base-model": ("generator.model", "encoder.model"),
    "--quantize": ("generator.quantize",),
    "--log-level": ("log.level",),
    "--record": ("record.dir",),
    "--redis": ("redis.url",),
}
"""Options that give a setting its value."""

SWITCHES: Final[Mapping[str, str]] = {
    "--lossless": "watch.lossless",
    "--lossy": "watch.lossless",
    "--realtime": "watch.realtime",
    "--fast": "watch.realtime",
    "--loop": "watch.loop",
    "--once": "watch.loop",
    "--follow": "watch.follow",
    "--load-4bit": "generator.quantize",
    "--load-8bit": "generator.quantize",
}
"""Options that stand for one value of a setting."""


def in_typed_words(message: str, arguments: Sequence[str]) -> str:
    """The message with the options of a command line in place of the settings that they give.

    A setting that was typed itself (`--set watch.frames=12`) keeps its name.
    """
    typed = {argument.partition("=")[0] for argument in arguments}
    itself = [argument for argument in arguments if not argument.startswith("--")]
    itself += [argument.partition("=")[2] for argument in arguments if argument.startswith("--set=")]
    for option, settings in WITH_VALUE.items():
        for setting in settings:
            if option in typed and not any(argument.startswith(f"{setting}=") for argument in itself):
                message = re.sub(rf"(?<![\w.]){re.escape(setting)}(?!\w|\.\w)( ?= ?)?", _named(option), message)
    for option, setting in SWITCHES.items():
        if option in typed:
            message = re.sub(rf"(?<![\w.]){re.escape(setting)}(?!\w)", f"{setting} ({option})", message, count=1)
    return message


def _named(option: str) -> Callable[[re.Match[str]], str]:
    """Replaces a setting; with its value, as the option is typed."""
    return lambda found: f"{option} " if found[1] else option
