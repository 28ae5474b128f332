"""`cornerman poll SOURCE`: asks at a fixed interval, measures each answer, and writes figures and a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cornerman.local import options, poll_options
from cornerman.local.poll_options import FILES, WHEN
from cornerman.local.poll_plan import (
    FPS,
    FRAMES,
    INTERVAL_S,
    MAX_DURATION_S,
    MAX_NEW_TOKENS,
    WINDOW_S,
    PollOptions,
    interval_list,
)
from cornerman.local.record_dir import record_dir
from cornerman.local.source_specs import source_specs

BENCHMARK = "Benchmark"


def poll(
    context: typer.Context,
    video_source: Annotated[
        str, typer.Argument(metavar="VIDEO_SOURCE", help="File, 0 for a webcam, rtsp://, http(s)://, test://.")
    ],
    interval: Annotated[
        float,
        typer.Option(
            "--polling-interval",
            "--interval",
            min=0.1,
            help="Seconds of the video between polls.",
            rich_help_panel=WHEN,
        ),
    ] = INTERVAL_S,
    max_polls: Annotated[
        int | None,
        typer.Option(min=0, help="Stop after so many; 0 = do not.", rich_help_panel=WHEN, show_default="no limit"),
    ] = None,
    max_duration: Annotated[
        float, typer.Option(min=0.1, help="Stop after so many seconds.", rich_help_panel=WHEN)
    ] = MAX_DURATION_S,
    warmup: poll_options.Warmup = 0,
    repeat_window: Annotated[
        float,
        typer.Option(
            min=0,
            help="Answers like the one before are silent for so many seconds, praise and correction apart; 0 = off.",
            rich_help_panel=WHEN,
        ),
    ] = 0.0,
    pause_still: Annotated[
        float,
        typer.Option(
            min=0,
            help="No polls after so many seconds without motion, until something moves. A person in view (--encoder "
            "pose) never counts as still. 0 = poll always.",
            rich_help_panel=WHEN,
        ),
    ] = 0.0,
    prompt: poll_options.Prompt = None,
    max_new_tokens: poll_options.MaxNewTokens = MAX_NEW_TOKENS,
    num_frames: poll_options.NumFrames = FRAMES,
    window: poll_options.Window = WINDOW_S,
    fps: poll_options.Fps = FPS,
    base_model: poll_options.BaseModel = None,
    lora_weights: poll_options.LoraWeights = None,
    load_4bit: poll_options.Load4bit = False,
    load_8bit: poll_options.Load8bit = False,
    quantize: poll_options.Quantize = None,
    encoder: options.EncoderBackend = None,
    generator: options.GeneratorBackend = None,
    output_dir: Annotated[
        Path, typer.Option(help="Folder of metrics_, summary_ and report_ of the session.", rich_help_panel=FILES)
    ] = Path("results/polling"),
    log_dir: Annotated[Path, typer.Option(help="Folder of its log file.", rich_help_panel=FILES)] = Path(
        "logs/polling"
    ),
    log_level: poll_options.LogLevel = None,
    record: options.Record = None,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
    benchmark: Annotated[
        bool,
        typer.Option("--benchmark", help="As `cornerman bench polling`, into --output-dir.", rich_help_panel=BENCHMARK),
    ] = False,
    intervals: Annotated[
        str, typer.Option(help="With --benchmark: which, seconds.", rich_help_panel=BENCHMARK)
    ] = "1,2,3,5",
    polls_per_interval: Annotated[
        int, typer.Option(min=1, help="With --benchmark: polls of each.", rich_help_panel=BENCHMARK)
    ] = 5,
    config: options.Config = "",
    redis: options.Redis = "",
    sets: options.Set = [],  # noqa: B006
) -> None:
    """Ask about a video at a fixed interval, and measure every answer.

    Writes metrics, a summary and an HTML report of the session, and its log. Exit code 70 if every poll failed.
    """
    plan = (
        [(one, polls_per_interval) for one in interval_list(intervals)] if benchmark else [(interval, max_polls or 0)]
    )
    wanted = PollOptions(
        interval_s=plan[0][0],
        num_frames=num_frames,
        window_s=window,
        fps=poll_options.given_fps(context, fps),
        prompt=prompt,
        max_new_tokens=max_new_tokens,
        base_model=base_model,
        lora_weights=lora_weights,
        load_4bit=load_4bit,
        load_8bit=load_8bit,
        quantize=quantize,
        encoder=encoder,
        generator=generator,
        repeat_window_s=repeat_window,
        pause_still_s=pause_still,
        log_level=log_level,
        record_dir=record_dir(record),
        loop=benchmark,
    )
    # Imported here: help and wrong usage need neither the pipeline nor the report.
    from cornerman.local.poll_run import PollRun, run_polls
    from cornerman.local.poll_settings import poll_settings, with_poll_models
    from cornerman.local.poll_table import print_result

    chosen = poll_settings(wanted, config, redis, sets)
    source_specs([video_source], chosen.settings)  # a wrong source is told before anything about models
    result = run_polls(
        PollRun(
            video_source=video_source,
            wanted=wanted,
            plan=plan,
            max_duration_s=max_duration,
            warmup=warmup,
            output_dir=output_dir,
            log_dir=log_dir,
            as_json=as_json,
            verbose=verbose,
            benchmark=benchmark,
        ),
        with_poll_models(wanted, chosen),
    )
    print_result(result, as_json=as_json, benchmark=benchmark)
    raise typer.Exit(result.code)
