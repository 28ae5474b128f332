"""`cornerman run SOURCE…`: watch these sources with services of our own, until they end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

from cornerman.local import options
from cornerman.local.pipeline import LocalPipeline, PipelinePlan
from cornerman.local.run_output import RunOutput
from cornerman.local.server_choice import Command, choose_server
from cornerman.local.source_args import id_of, length_s, normal
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.source import Mode, SourceSpec, Strategy
from cornerman_shared.settings.tree import Settings

GIVE_UP_S: Final = 15.0
"""A source that gives no frame for so long after its first failure is given up; services (`up`) try for ever."""

ROLES = ("capture", "encoder", "decider", "generator")

Sources = Annotated[
    list[str] | None,
    typer.Argument(metavar="SOURCE…", help="File, rtsp://, http(s)://, /dev/video0 or test://. None = the settings'."),
]
Lossless = Annotated[
    bool | None, typer.Option("--lossless/--lossy", help="Wait instead of skipping; files then go as fast as possible.")
]
Realtime = Annotated[bool | None, typer.Option("--realtime/--fast", help="Play files at their own speed or not.")]


def run(
    sources: Sources = None,
    source_id: Annotated[str, typer.Option("--id", help="Name of the source, when there is one.")] = "",
    mode: Annotated[Mode | None, typer.Option(help="What kind of words.")] = None,
    strategy: Annotated[Strategy | None, typer.Option(help="Who decides when to speak.")] = None,
    prompt: Annotated[str | None, typer.Option(help="What the model is asked.")] = None,
    lossless: Lossless = None,
    realtime: Realtime = None,
    loop: Annotated[bool | None, typer.Option("--loop/--once", help="Start files again at their end.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Stop after so long.")] = None,
    encoder: Annotated[str | None, typer.Option(help="Encoder back end: fake or mobile_videogpt.")] = None,
    generator: Annotated[
        str | None, typer.Option(help="Generator back end: echo, mobile_videogpt, vlm, openai…")
    ] = None,
    encoders: Annotated[int, typer.Option(min=1, help="Encoder processes.")] = 1,
    generators: Annotated[int, typer.Option(min=1, help="Generator processes.")] = 1,
    as_json: options.Json = False,
    config: options.Config = "",
    redis: options.Redis = "",
    sets: options.Set = [],  # noqa: B006 typer's own way to say "repeatable"
    verbose: options.Verbose = False,
) -> None:
    """Watch videos and print what is said about them.

    Files end by themselves; cameras at Ctrl-C. If `cornerman up` runs, its services are used.
    """
    if lossless and realtime is None:
        realtime = False
    chosen = options.choose(
        config,
        redis,
        sets,
        options.quiet(verbose),
        watch__lossless=lossless,
        watch__realtime=realtime,
        watch__loop=loop,
        speak__strategy=strategy,
        say__prompt=prompt,
        encoder__backend=encoder,
        generator__backend=generator,
    )
    specs_of(sources or [], chosen.settings, source_id, mode or "coach")  # wrong ones are said before anything else
    screen = RunOutput(as_json=as_json)
    chosen = options.with_models(chosen, screen.note)
    specs = specs_of(sources or [], chosen.settings, source_id, mode or "coach")
    workers = {"encoder": encoders, "generator": generators}
    raise typer.Exit(watch_them(chosen, specs, screen, workers=workers, seconds=seconds))


def specs_of(sources: Sequence[str], settings: Settings, source_id: str = "", mode: Mode = "coach") -> list[SourceSpec]:
    """The typed sources with the settings' defaults; with none typed, the sources of the settings.

    Raises:
        ConfigError: no source, no such file, or one `--id` for several.
    """
    if not sources:
        if not settings.sources:
            raise ConfigError(
                "no source: give a video file, rtsp://…, /dev/video0 or test://, or list some in cornerman.yaml"
            )
        return list(settings.sources)
    if source_id and len(sources) > 1:
        raise ConfigError(f"--id {source_id!r} names one source, but {len(sources)} are given; leave it out")
    specs: dict[str, SourceSpec] = {}
    for text in sources:
        url = normal(text)
        name = source_id or id_of(url, specs)
        specs[name] = spec_of(name, url, settings, mode)
    return list(specs.values())


def spec_of(source_id: str, url: str, settings: Settings, mode: Mode = "coach", **more: Any) -> SourceSpec:
    """A source with the settings' defaults."""
    from pydantic import ValidationError

    from cornerman_shared.settings.tree import explain

    try:
        return SourceSpec(
            source_id=source_id,
            url=url,
            mode=mode,
            watch=settings.watch,
            speak=settings.speak,
            say=settings.say,
            **more,
        )
    except ValidationError as error:
        raise ConfigError(explain(error)) from None


def gives_up(spec: SourceSpec) -> SourceSpec:
    """Somebody waits for this command: a mistyped address is to end it, unless its patience was chosen."""
    if "give_up_s" in spec.watch.model_fields_set:
        return spec
    return spec.model_copy(update={"watch": spec.watch.model_copy(update={"give_up_s": GIVE_UP_S})})


def watch_them(
    chosen: options.CommandSettings,
    specs: Sequence[SourceSpec],
    screen: RunOutput,
    command: Command = "run",
    **more: Any,
) -> int:
    """Runs a session for these sources; returns the exit code. `more`: fields of the `PipelinePlan`."""
    specs = [gives_up(spec) for spec in specs]
    lengths = [None if spec.watch.loop else length_s(spec.url) for spec in specs]
    plan = PipelinePlan(specs, more.pop("roles", ROLES), lengths, **more)
    screen.many = len(specs) > 1
    with choose_server(chosen.settings, chosen.overrides, command) as place, screen:
        return asyncio.run(LocalPipeline(place, plan, screen).run())
