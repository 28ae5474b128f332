"""`cornerman poll`: say something every N seconds, measure each time, and write the figures to files."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cornerman.commands.run import specs_of, watch_them
from cornerman.local import options
from cornerman.local.poll_records import PollRecord, by_interval, session_of
from cornerman.local.run_output import RunOutput
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import CHUNK_FRAMES, EndEvent, Event
from cornerman_shared.bus.registry import update_source
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.source import SourceSpec

FRAMES = 16
WINDOW_S = 4.0

# Polling decides by the clock alone: no cool-down, no repeat filter, no forgetting; two chunks of 8 make its 16
# frames.
PRESET: dict[str, Any] = {
    "watch": {"sample_fps": FRAMES / WINDOW_S, "overlap": 0},
    "speak": {
        "strategy": "interval",
        "min_interval_s": 0.0,
        "repeat_window_s": 0.0,
        "context_chunks": FRAMES // 8,
        "context_timeout_s": 0.0,
        "clear_context": False,
        "deadline_s": 0.0,
    },
    "say": {"temperature": 0.0, "max_new_tokens": 512},
}


def poll(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="File, rtsp://, http(s)://, /dev/video0, test://.")],
    interval: Annotated[
        float, typer.Option("--polling-interval", "--interval", min=0.1, help="Seconds of the video between polls.")
    ] = 3.0,
    max_polls: Annotated[int, typer.Option(min=0, help="Stop after so many; 0 = do not.")] = 0,
    max_duration: Annotated[float, typer.Option(min=0.1, help="Stop after so many seconds.")] = 300.0,
    warmup: Annotated[int, typer.Option("--warmup-runs", min=0, help="First polls that do not count.")] = 0,
    benchmark: Annotated[bool, typer.Option("--benchmark", help="Try several intervals, one after the other.")] = False,
    intervals: Annotated[str, typer.Option(help="With --benchmark: which, seconds.")] = "1,2,3,5",
    polls_per_interval: Annotated[int, typer.Option(min=1, help="With --benchmark: polls of each.")] = 5,
    prompt: Annotated[str | None, typer.Option(help="What the model is asked.")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(min=1, help="Longest answer.")] = None,
    model: Annotated[str | None, typer.Option("--base-model", help="Model of both halves: path or hub name.")] = None,
    adapter: Annotated[str | None, typer.Option("--lora-weights", help="LoRA adapter: path or hub name.")] = None,
    quantize: Annotated[
        Literal["none", "int8", "int4"] | None, typer.Option(help="Language half in fewer bits.")
    ] = None,
    encoder: Annotated[str | None, typer.Option(help="Encoder back end: fake or mobile_videogpt.")] = None,
    generator: Annotated[
        str | None, typer.Option(help="Generator back end: echo, mobile_videogpt, vlm, openai…")
    ] = None,
    load_4bit: Annotated[bool, typer.Option("--load-4bit", help="The same as --quantize int4.")] = False,
    load_8bit: Annotated[bool, typer.Option("--load-8bit", help="The same as --quantize int8.")] = False,
    num_frames: Annotated[int, typer.Option(help="Frames of a poll: 8, 16 or more eights.")] = FRAMES,
    fps: Annotated[float, typer.Option(min=0.1, max=60, help="Frames sampled a second.")] = FRAMES / WINDOW_S,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    output_dir: Annotated[Path, typer.Option(help="Where metrics.json and summary.json go.")] = Path("runs/poll"),
    as_json: options.Json = False,
    config: options.Config = "",
    redis: options.Redis = "",
    sets: options.Set = [],  # noqa: B006
    verbose: options.Verbose = False,
) -> None:
    """Ask about a video at a fixed interval, and measure every answer.

    Writes one record a poll to metrics.json and the session's figures to summary.json.
    """
    if num_frames < CHUNK_FRAMES or num_frames % CHUNK_FRAMES:
        raise ConfigError(f"--num-frames {num_frames}: give 8, 16 or more eights; frames travel in chunks of 8")
    plan = _plan(intervals, polls_per_interval) if benchmark else [(interval, max_polls)]
    chosen = options.choose(
        config,
        redis,
        sets,
        options.quiet(verbose),
        PRESET,
        watch__loop=True if benchmark else None,
        speak__interval_s=plan[0][0],
        say__prompt=prompt,
        say__max_new_tokens=max_new_tokens,
        say__adapter=adapter,
        encoder__backend=encoder or ("mobile_videogpt" if model else None),
        encoder__model=model,
        generator__backend=generator or ("mobile_videogpt" if model else None),
        generator__model=model,
        generator__quantize="int4" if load_4bit else "int8" if load_8bit else quantize,
        watch__sample_fps=fps,
        speak__context_chunks=num_frames // CHUNK_FRAMES,
        log__level=log_level,
    )
    specs_of([source], chosen.settings)  # a wrong one is said before anything else
    screen = RunOutput(as_json=as_json)
    chosen = options.with_models(chosen, screen.note)
    (spec,) = specs_of([source], chosen.settings, mode="polling")
    series = PollSeries(spec, plan, warmup, screen)
    code = watch_them(
        chosen,
        [spec],
        screen,
        seconds=max_duration,
        on_event=series.event,
        director=series.direct if plan[0][1] else None,
    )
    series.write(output_dir)
    if not as_json:
        screen.note(f"{len(series.polls)} polls; figures in {output_dir / 'summary.json'}")
    raise typer.Exit(code)


def _plan(intervals: str, polls: int) -> list[tuple[float, int]]:
    try:
        chosen = [float(part) for part in intervals.split(",")]
    except ValueError:
        chosen = []
    if not chosen or min(chosen) <= 0:
        raise ConfigError(f"--intervals {intervals!r}: give seconds, parted by commas, e.g. 1,2,3,5")
    return [(one, polls) for one in chosen]


class PollSeries:
    """Collects the polls of each planned interval, and moves on to the next.

    Args:
        plan: pairs of interval, seconds, and how many polls (0 = until the end).
        warmup: first polls that are thrown away.
    """

    def __init__(self, spec: SourceSpec, plan: list[tuple[float, int]], warmup: int, screen: RunOutput) -> None:
        self._source_id = spec.source_id
        self._plan = plan
        self._warmup = warmup
        self._screen = screen
        self._at = 0
        self._wanted = plan[0][1]  # so many polls in all are in when this interval is over; 0 = until the end
        self._counted = asyncio.Event()
        self.polls: list[PollRecord] = []

    def event(self, event: Event) -> None:
        """Takes an event of the source; ends of requests become polls."""
        if not isinstance(event, EndEvent) or self._at >= len(self._plan):
            return
        if self._warmup > 0:
            self._warmup -= 1
            return
        if self._wanted and len(self.polls) >= self._wanted:
            return  # came before the next interval could be set
        taken = PollRecord.of(event, len(self.polls), self._plan[self._at][0])
        self.polls.append(taken)
        if self._screen.as_json:
            self._screen.line(taken.plain())
        self._counted.set()

    async def direct(self, bus: Bus) -> None:
        """Sets one interval after the other, each until its polls are in."""
        self._wanted = 0
        for self._at, (interval_s, count) in enumerate(self._plan):  # noqa: B020 `event` reads where we are
            if self._at:
                await update_source(bus, self._source_id, {"speak": {"interval_s": interval_s}})
            self._wanted += count
            while len(self.polls) < self._wanted:
                self._counted.clear()
                await self._counted.wait()
        self._at = len(self._plan)

    def write(self, folder: Path) -> None:
        """metrics.json: every poll; summary.json: the session, and each interval."""
        folder.mkdir(parents=True, exist_ok=True)
        polls = [one.plain() for one in self.polls]
        summary = {**session_of(self.polls), "intervals": by_interval(self.polls)}
        (folder / "metrics.json").write_text(json.dumps(polls, indent=2, ensure_ascii=False), encoding="utf-8")
        (folder / "summary.json").write_text(json.dumps(summary, indent=2, ensure_ascii=False), encoding="utf-8")
