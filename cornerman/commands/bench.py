"""`cornerman bench`: benchmarks that users run on their own machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cornerman.local import options, poll_options
from cornerman.local.poll_options import FILES, WHEN
from cornerman.local.poll_plan import FPS, FRAMES, MAX_NEW_TOKENS, WINDOW_S, PollOptions, interval_list
from cornerman.local.source_specs import source_specs

app = typer.Typer(no_args_is_help=True, help="Benchmarks: polling over several intervals, the parts of a model.")


@app.command()
def polling(
    context: typer.Context,
    video: Annotated[str, typer.Argument(metavar="VIDEO", help="A video file; it is played again at its end.")],
    intervals: Annotated[
        str, typer.Option(help="Seconds between polls, parted by commas.", rich_help_panel=WHEN)
    ] = "1,2,3,5",
    polls_per_interval: Annotated[int, typer.Option(min=1, help="Polls of each.", rich_help_panel=WHEN)] = 5,
    max_duration: Annotated[
        float, typer.Option(min=0.1, help="Stop after so many seconds.", rich_help_panel=WHEN)
    ] = 3600.0,
    warmup: poll_options.Warmup = 0,
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
    output_dir: Annotated[Path, typer.Option(help="Folder of benchmark_ and its report.", rich_help_panel=FILES)] = (
        Path("results/benchmarks")
    ),
    log_dir: Annotated[Path, typer.Option(help="Folder of its log file.", rich_help_panel=FILES)] = (
        Path("logs/benchmarks")
    ),
    log_level: poll_options.LogLevel = None,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
    config: options.Config = "",
    redis: options.Redis = "",
    sets: options.Set = [],  # noqa: B006
) -> None:
    """Poll a video at several intervals, one after the other: a table, JSON and an HTML report."""
    plan = [(one, polls_per_interval) for one in interval_list(intervals)]
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
        log_level=log_level,
        loop=True,
    )
    # Imported here: help and wrong usage need neither the pipeline nor the report.
    from cornerman.local.poll_run import PollRun, run_polls
    from cornerman.local.poll_settings import poll_settings, with_poll_models
    from cornerman.local.poll_table import print_result

    chosen = poll_settings(wanted, config, redis, sets)
    source_specs([video], chosen.settings)  # a wrong source is told before anything about models
    result = run_polls(
        PollRun(
            video_source=video,
            wanted=wanted,
            plan=plan,
            max_duration_s=max_duration,
            warmup=warmup,
            output_dir=output_dir,
            log_dir=log_dir,
            as_json=as_json,
            verbose=verbose,
            benchmark=True,
        ),
        with_poll_models(wanted, chosen),
    )
    print_result(result, as_json=as_json, benchmark=True)
    raise typer.Exit(result.code)


@app.command()
def towers(
    base_model: poll_options.BaseModel = None,
    runs: Annotated[int, typer.Option(min=1, help="Measured runs, after one that is not.")] = 4,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    as_json: options.Json = False,
) -> None:
    """Time each part of a Mobile-VideoGPT, and tell where its weights are: towers, projectors, language half."""
    from rich.console import Console

    from cornerman.local.status_table import plain_table
    from cornerman.local.tower_profile import profile_model
    from cornerman.local.work_bar import WorkBar
    from cornerman_common.model_location import model_path, torch_device, torch_dtype
    from cornerman_shared.errors import ConfigError
    from mobile_videogpt import MobileVideoGPT
    from mobile_videogpt.errors import ModelError

    path, place = model_path("--base-model", base_model or ""), torch_device("--device", device)
    if dtype not in ("auto", "float32", "bfloat16", "float16"):
        raise ConfigError(f"--dtype {dtype!r}: give auto, float32, bfloat16 or float16")
    with WorkBar("timing the parts", quiet=as_json) as bar:
        bar.show("loading the model")
        try:
            model = MobileVideoGPT.from_pretrained(path, dtype=torch_dtype(dtype, place), device=place)
        except (ModelError, OSError, ValueError) as error:
            raise ConfigError(f"--base-model {path!r} cannot be loaded: {error}") from error
        bar.show(f"{runs} measured runs of each")
        parts = list(profile_model(model, runs))
    table = plain_table("PART", "MEAN", "MIN", "MAX", "PARAMETERS", "DEVICE", "DTYPE")
    for part in parts:
        if as_json:
            print(json.dumps({"type": "part", **asdict(part)}))
        times = (f"{value:.1f} ms" for value in (part.mean_ms, part.min_ms, part.max_ms))
        size = f"{part.parameters / 1e6:.1f} M" if part.parameters else "-"
        table.add_row(part.part, *times, size, ", ".join(part.devices), ", ".join(part.dtypes))
    if not as_json:
        Console(highlight=False, soft_wrap=True).print(table)
