"""What a polling command is asked for: its options with their defaults, and the preset behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from cornerman_shared.errors import ConfigError

FRAMES: Final = 16
WINDOW_S: Final = 4.0
INTERVAL_S: Final = 3.0
MAX_DURATION_S: Final = 300.0
MAX_NEW_TOKENS: Final = 512
MOST_FPS: Final = 60.0
FPS: Final = 1.0
"""The rate at which the polling tool that this one replaces sampled a live source."""

PRESET: Final[dict[str, Any]] = {
    "watch": {"look": "poll", "frames": FRAMES, "window_s": WINDOW_S, "sample_fps": FRAMES / WINDOW_S},
    # The clock alone decides: no minimum interval, no repeat suppression, no deadline.
    "speak": {
        "strategy": "interval",
        "min_interval_s": 0.0,
        "repeat_window_s": 0.0,
        "context_chunks": 1,
        "context_timeout_s": 0.0,
        "clear_context": False,
        "deadline_s": 0.0,
    },
    "say": {"temperature": 0.0, "max_new_tokens": MAX_NEW_TOKENS},
}
"""Settings of polling mode."""


@dataclass(frozen=True, slots=True)
class PollOptions:
    """What polls are made of and who answers them; None = the default.

    Attributes:
        fps: the most frames a second within a poll; None = as many as its frames need.
        repeat_window_s: the same words are not said again within so many seconds.
        pause_still_s: no polls after so many seconds without motion.
    """

    interval_s: float = INTERVAL_S
    num_frames: int | None = None
    window_s: float | None = None
    fps: float | None = None
    prompt: str | None = None
    max_new_tokens: int | None = None
    base_model: str | None = None
    lora_weights: str | None = None
    load_4bit: bool = False
    load_8bit: bool = False
    quantize: str | None = None
    encoder: str | None = None
    generator: str | None = None
    repeat_window_s: float | None = None
    pause_still_s: float | None = None
    log_level: str | None = None
    record_dir: str | None = None
    loop: bool = False

    def bits(self) -> str | None:
        """The value of `generator.quantize`.

        Raises:
            ConfigError: two of the three options contradict each other.
        """
        named = {"--load-4bit": "int4" if self.load_4bit else "", "--load-8bit": "int8" if self.load_8bit else ""}
        named["--quantize"] = self.quantize or ""
        given = {option: value for option, value in named.items() if value}
        if len(set(given.values())) > 1:
            raise ConfigError(f"{' and '.join(given)} ask for different numbers of bits; give one of them")
        return next(iter(given.values()), None)


def interval_list(text: str) -> list[float]:
    """Intervals in seconds from `1,2,3`.

    Raises:
        ConfigError: it is not a list of positive numbers.
    """
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(0 < one < float("inf") for one in found):
        raise ConfigError(f"--intervals {text!r}: give seconds, parted by commas, e.g. 1,2,3,5")
    if len(set(found)) < len(found):
        raise ConfigError(f"--intervals {text!r}: an interval is named twice")
    return found
