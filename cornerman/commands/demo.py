"""`cornerman demo`: every service on this machine, with the bundled clip, the bundled model and the page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cornerman.local import options, page
from cornerman.local.demo_clip import demo_clip
from cornerman.local.launcher import ROLES
from cornerman.local.pipeline import run_sources
from cornerman.local.run_output import RunOutput
from cornerman.local.source_specs import source_spec

SOURCE_ID = "demo"


def demo(
    headless: Annotated[
        bool, typer.Option("--headless", help="No page: print, and end with the clip.", rich_help_panel=options.OUTPUT)
    ] = False,
    seconds: options.Seconds = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of the page.", rich_help_panel=options.OUTPUT)
    ] = None,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Do not open the browser.", rich_help_panel=options.OUTPUT)
    ] = False,
    encoder: options.EncoderBackend = None,
    as_json: options.Json = False,
    config: options.Config = "",
    redis: options.Redis = "",
    sets: options.Set = [],  # noqa: B006 typer's own way to say "repeatable"
    verbose: options.Verbose = False,
) -> None:
    """Watch the bundled clip with the bundled model: five processes, on this machine's CPU.

    With the page it plays over and over until Ctrl-C, and a camera can be added there; with --headless it plays once.
    """
    output = RunOutput(as_json=as_json)
    source, note = demo_clip()
    no_page = "--headless" if headless else page.missing()
    # Only the page plays the clip in a loop; without it the command ends with the clip.
    chosen = options.command_settings(
        config,
        redis,
        sets,
        options.quiet(verbose),
        watch__loop=not no_page,
        watch__realtime=True,
        encoder__backend=encoder,
    )
    output.note(f"Cornerman demo: {Path(source).name}, watched on this machine.")
    if note:
        output.note(note)
    # On the page people add their camera; without it the drawn clip is all that is watched.
    chosen, _ = options.with_models(chosen, output.note, people=not no_page)
    url = ""
    if not no_page:
        url, page_settings = page.address(chosen.settings.gateway, port)
        chosen = chosen.with_flags(page_settings)
        page.check(chosen.settings.gateway)
    elif not headless:
        output.note(f"No page: {no_page}")
    spec = source_spec(SOURCE_ID, source, chosen.settings)

    def on_ready() -> None:
        if url:
            output.note(f"The page is at {url} (Ctrl-C ends)")
            if not no_open:
                page.open_page(url)

    roles = ROLES if no_page else (*ROLES, "gateway")
    code = run_sources(chosen, [spec], output, command="demo", roles=roles, seconds=seconds, on_ready=on_ready)
    raise typer.Exit(code)
