"""`cornerman comment SOURCE…`: running commentary, with a sentence when the picture changes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer

from cornerman.local import options
from cornerman.local.options import CommandSettings
from cornerman.local.pipeline import run_sources
from cornerman.local.prompt_notes import note_ignored_prompt
from cornerman.local.record_dir import record_dir
from cornerman.local.run_output import RunOutput
from cornerman.local.source_specs import source_specs
from cornerman_common.profile_library import ProfileLibrary
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.source import Mode


def comment(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE…", help="What to comment on.")],
    preset: Annotated[
        str,
        typer.Option(
            help="How closely: sentry, sniper, owl, beast, or one of yours (`cornerman profiles list`).",
            rich_help_panel=options.SPEAK,
        ),
    ] = "owl",
    profile: Annotated[
        str,
        typer.Option(
            help="What for: default, sports, security, nature, descriptive, or one of yours.",
            rich_help_panel=options.SPEAK,
        ),
    ] = "default",
    prompt: Annotated[
        str | None, typer.Option(help="What to say, in place of the profile's.", rich_help_panel=options.SPEAK)
    ] = None,
    seconds: options.Seconds = None,
    encoder: options.EncoderBackend = None,
    generator: options.GeneratorBackend = None,
    model: Annotated[
        str | None, typer.Option(help="The generator's model: path or hub name.", rich_help_panel=options.MODEL)
    ] = None,
    record: options.Record = None,
    as_json: options.Json = False,
    config: options.Config = "",
    redis: options.Redis = "",
    sets: options.Set = [],  # noqa: B006
    verbose: options.Verbose = False,
) -> None:
    """Comment on videos as they go: a sentence when something new is seen, silence otherwise."""
    library = ProfileLibrary.of(options.command_settings(config, redis, sets).settings.gateway.profiles_dir)

    def settings_with(preset: str) -> tuple[Mode, CommandSettings]:
        saved = library.changes(profile, preset)
        mode: Mode = saved.pop("mode", "commentary")
        return mode, options.command_settings(
            config,
            redis,
            sets,
            options.quiet(verbose),
            saved,
            say__prompt=prompt,
            record__dir=record_dir(record),
            encoder__backend=encoder,
            generator__backend=generator or ("vlm" if model else None),
            generator__model=model,
        )

    mode, chosen = settings_with(preset)
    output = RunOutput(as_json=as_json)
    try:
        source_specs(sources, chosen.settings)  # reports a wrong source before any note
        chosen, choice = options.with_models(chosen, output.note)
    except ConfigError as error:
        others = [one.name for one in library.all("preset") if one.name != preset and one.settings is not None]
        fitting = [name for name in others if _suits_the_models(sources, partial(settings_with, name))]
        if not fitting:
            raise
        can = " or ".join(fitting)
        raise ConfigError(f"--preset {preset} does not suit the models: {error}; or give --preset {can}") from error
    note_ignored_prompt(choice, chosen.settings.say.prompt, output.note)
    specs = source_specs(sources, chosen.settings, mode=mode)
    raise typer.Exit(run_sources(chosen, specs, output, seconds=seconds))


def _suits_the_models(sources: list[str], settings: Callable[[], tuple[Mode, CommandSettings]]) -> bool:
    """Whether the models can read the looks of a preset."""
    try:
        chosen = settings()[1]
        source_specs(sources, chosen.settings)
        options.with_models(chosen, lambda _: None)
    except ConfigError:
        return False
    return True
