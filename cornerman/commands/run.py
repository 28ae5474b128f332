"""`cornerman run SOURCE…`: watches sources with services of its own until they end."""

from __future__ import annotations

from typing import Annotated

import typer

from cornerman.local import options
from cornerman.local.pipeline import run_sources
from cornerman.local.prompt_notes import note_ignored_prompt
from cornerman.local.record_dir import record_dir
from cornerman.local.run_output import RunOutput
from cornerman.local.running import with_running_models
from cornerman.local.source_specs import source_specs
from cornerman_common.exercise_library import ExerciseLibrary
from cornerman_common.pose_choice import shows_people
from cornerman_shared.settings.source import Mode

Sources = Annotated[
    list[str] | None,
    typer.Argument(metavar="SOURCE…", help="File, rtsp://, http(s)://, /dev/video0 or test://. None = the settings'."),
]
Lossless = Annotated[
    bool | None,
    typer.Option(
        "--lossless/--lossy",
        help="Wait instead of skipping; files then go as fast as possible.",
        rich_help_panel=options.WATCH,
    ),
]
Realtime = Annotated[
    bool | None,
    typer.Option("--realtime/--fast", help="Play files at their own speed or not.", rich_help_panel=options.WATCH),
]


def run(
    sources: Sources = None,
    source_id: Annotated[
        str, typer.Option("--id", help="Name of the source, when there is one.", rich_help_panel=options.WATCH)
    ] = "",
    mode: Annotated[Mode | None, typer.Option(help="How the source is watched.", rich_help_panel=options.WATCH)] = None,
    strategy: options.SpeakStrategy = None,
    prompt: options.Prompt = None,
    exercise: Annotated[
        list[str],
        typer.Option(
            "--exercise",
            metavar="NAME",
            help="Count an own exercise, see `teach`. Repeatable.",
            rich_help_panel=options.SPEAK,
        ),
    ] = [],  # noqa: B006
    lossless: Lossless = None,
    realtime: Realtime = None,
    loop: Annotated[
        bool | None,
        typer.Option("--loop/--once", help="Start files again at their end.", rich_help_panel=options.WATCH),
    ] = None,
    follow: Annotated[
        bool | None,
        typer.Option(
            "--follow", help="A file is being written: go on as it grows (MKV, TS).", rich_help_panel=options.WATCH
        ),
    ] = None,
    seconds: options.Seconds = None,
    encoder: options.EncoderBackend = None,
    generator: options.GeneratorBackend = None,
    encoders: options.Encoders = 1,
    generators: options.Generators = 1,
    record: options.Record = None,
    as_json: options.Json = False,
    config: options.Config = "",
    redis: options.Redis = "",
    sets: options.Set = [],  # noqa: B006 typer's own way to say "repeatable"
    verbose: options.Verbose = False,
) -> None:
    """Watch videos and print the feedback about them.

    Files end by themselves; cameras at Ctrl-C. If `cornerman up` runs, its services are used.
    """
    if (lossless or follow) and realtime is None:
        realtime = False
    if exercise:
        strategy, encoder = strategy or "skeleton", encoder or "pose"
    chosen = options.command_settings(
        config,
        redis,
        sets,
        options.quiet(verbose),
        watch__lossless=lossless,
        watch__realtime=realtime,
        watch__loop=loop,
        watch__follow=follow,
        speak__strategy=strategy,
        speak__exercises=exercise or None,
        say__prompt=prompt,
        record__dir=record_dir(record),
        encoder__backend=encoder,
        generator__backend=generator,
    )
    # Reports a wrong source, or the name of an own exercise, before any note.
    typed = source_specs(sources or [], chosen.settings, source_id, mode or "coach")
    library = ExerciseLibrary.of(chosen.settings.gateway.profiles_dir)
    for name in chosen.settings.speak.exercises:
        library.get(name)
    output = RunOutput(as_json=as_json)
    output.counts = bool(exercise)
    output.log_form = chosen.settings.log.format
    chosen = with_running_models(chosen)
    chosen, choice = options.with_models(chosen, output.note, people=shows_people(typed))
    note_ignored_prompt(choice, prompt, output.note)
    specs = source_specs(sources or [], chosen.settings, source_id, mode or "coach")
    workers = {"encoder": encoders, "generator": generators}
    raise typer.Exit(run_sources(chosen, specs, output, workers=workers, seconds=seconds))
