"""`cornerman poll SOURCE`: asks at a fixed interval, measures each answer, and writes the measurements to files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cornerman.local import options
from cornerman.local.pipeline import run_sources
from cornerman.local.poll_series import FRAMES, PRESET, WINDOW_S, PollSeries
from cornerman.local.prompt_notes import refuse_unanswerable_prompt
from cornerman.local.record_dir import record_dir
from cornerman.local.run_output import RunOutput
from cornerman.local.source_specs import source_specs
from cornerman_shared.errors import ConfigError


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
    encoder: options.EncoderBackend = None,
    generator: options.GeneratorBackend = None,
    load_4bit: Annotated[bool, typer.Option("--load-4bit", help="The same as --quantize int4.")] = False,
    load_8bit: Annotated[bool, typer.Option("--load-8bit", help="The same as --quantize int8.")] = False,
    num_frames: Annotated[int, typer.Option(min=1, max=64, help="Frames of a poll.")] = FRAMES,
    fps: Annotated[float, typer.Option(min=0.1, max=60, help="Frames sampled a second.")] = FRAMES / WINDOW_S,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    output_dir: Annotated[Path, typer.Option(help="Where metrics.json and summary.json go.")] = Path("runs/poll"),
    record: options.Record = None,
    as_json: options.Json = False,
    config: options.Config = "",
    redis: options.Redis = "",
    sets: options.Set = [],  # noqa: B006
    verbose: options.Verbose = False,
) -> None:
    """Ask about a video at a fixed interval, and measure every answer.

    Writes one record a poll to metrics.json and the session's figures to summary.json.
    """
    plan = _plan(intervals, polls_per_interval) if benchmark else [(interval, max_polls)]
    chosen = options.command_settings(
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
        record__dir=record_dir(record),
        encoder__backend=encoder or ("mobile_videogpt" if model else None),
        encoder__model=model,
        generator__backend=generator or ("mobile_videogpt" if model else None),
        generator__model=model,
        generator__quantize="int4" if load_4bit else "int8" if load_8bit else quantize,
        watch__sample_fps=fps,
        watch__frames=num_frames,
        log__level=log_level,
    )
    source_specs([source], chosen.settings)  # reports a wrong source before any note
    output = RunOutput(as_json=as_json)
    chosen, choice = options.with_models(chosen, output.note)
    refuse_unanswerable_prompt(choice, prompt)
    (spec,) = source_specs([source], chosen.settings, mode="polling")
    series = PollSeries(spec.source_id, plan, warmup, output)
    code = run_sources(
        chosen,
        [spec],
        output,
        seconds=max_duration,
        on_event=series.on_event,
        director=series.direct if plan[0][1] else None,
    )
    series.write(output_dir)
    if not as_json:
        output.note(f"{len(series.polls)} polls; figures in {output_dir / 'summary.json'}")
    raise typer.Exit(code)


def _plan(intervals: str, polls: int) -> list[tuple[float, int]]:
    """Pairs of interval in seconds and number of polls, from `1,2,3`."""
    try:
        chosen = [float(part) for part in intervals.split(",")]
    except ValueError:
        chosen = []
    if not chosen or min(chosen) <= 0:
        raise ConfigError(f"--intervals {intervals!r}: give seconds, parted by commas, e.g. 1,2,3,5")
    return [(one, polls) for one in chosen]
