"""Options that `poll` and `bench polling` share, by help panel."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import typer

from cornerman.local.options import MODEL
from cornerman.local.poll_adapter import BASE, DEFAULT_ADAPTER

WHEN: Final = "When"
WHAT: Final = "What a poll sees and asks"
FILES: Final = "Files and logs"

BaseModel = Annotated[
    str | None,
    typer.Option(
        "--base-model",
        help=f"Model of both halves: path or hub name, e.g. {BASE}.",
        rich_help_panel=MODEL,
        show_default="the bundled coach",
    ),
]
LoraWeights = Annotated[
    str | None,
    typer.Option(
        "--lora-weights",
        help="LoRA adapter: path or hub name; `none` = the base model alone. It is never left out silently.",
        rich_help_panel=MODEL,
        show_default=f"{DEFAULT_ADAPTER} with {BASE}",
    ),
]
Load4bit = Annotated[bool, typer.Option("--load-4bit", help="As --quantize int4.", rich_help_panel=MODEL)]
Load8bit = Annotated[bool, typer.Option("--load-8bit", help="As --quantize int8.", rich_help_panel=MODEL)]
Quantize = Annotated[
    Literal["none", "int8", "int4"] | None, typer.Option(help="Language half in fewer bits.", rich_help_panel=MODEL)
]
Prompt = Annotated[
    str | None,
    typer.Option(
        help="What the model is asked.",
        rich_help_panel=WHAT,
        show_default="Please evaluate the exercise form shown. What mistakes, if any, are present, and what "
        "corrections would you recommend?",
    ),
]
MaxNewTokens = Annotated[int, typer.Option(min=1, help="Longest answer, tokens.", rich_help_panel=WHAT)]
NumFrames = Annotated[
    int, typer.Option(min=1, max=64, help="Frames of a poll, the newest among them.", rich_help_panel=WHAT)
]
Window = Annotated[
    float, typer.Option(min=0.1, max=120, help="They are spread over so many last seconds.", rich_help_panel=WHAT)
]
Fps = Annotated[
    float,
    typer.Option(
        min=0.1,
        max=60,
        help="Most frames a second within a poll; never moves the interval.",
        rich_help_panel=WHAT,
        show_default="1, raised to what --num-frames over --window need",
    ),
]
Warmup = Annotated[
    int, typer.Option("--warmup-runs", min=0, help="First polls that do not count.", rich_help_panel=WHEN)
]
LogLevel = Annotated[
    str | None,
    typer.Option(
        help="DEBUG, INFO, WARNING or ERROR, in any case: what the log file holds.",
        rich_help_panel=FILES,
        show_default="INFO",
    ),
]


def given_fps(context: typer.Context, fps: float) -> float | None:
    """The cap that was asked for; None where `--fps` was left out, so that every frame of a poll is another one."""
    source = context.get_parameter_source("fps")
    return None if source is None or source.name == "DEFAULT" else fps
