"""`cornerman transcribe IN`: the words about a video as subtitles, JSON lines or Markdown."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from cornerman.local import options
from cornerman.local.help_panels import OUTPUT, WATCH
from cornerman.local.mode_settings import mode_settings
from cornerman.local.output_files import check_target, write_whole
from cornerman.local.prompt_notes import note_ignored_prompt
from cornerman.local.retry_limit import limit_retries
from cornerman.local.run_output import RunOutput
from cornerman.local.signals import run_until_signal
from cornerman.local.source_args import is_file
from cornerman.local.source_specs import source_specs
from cornerman.local.transcript_files import FORMATS, TranscriptFormat, transcript
from cornerman.local.transcript_run import TranscriptRun
from cornerman_common.pose_choice import shows_people
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.source import Mode

ALWAYS: Final = {
    "capture": {"follow_links": True},  # the user who types an address is trusted with it
    "watch": {"loop": False, "realtime": False, "lossless": True},
}


def transcribe(
    source: Annotated[str, typer.Argument(metavar="IN", help="File, http(s)://, rtsp://, /dev/video0 or test://.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Default: standard output.", rich_help_panel=OUTPUT)
    ] = None,
    form: Annotated[
        TranscriptFormat | None,
        typer.Option("--format", help="Default: as --output ends, else vtt.", rich_help_panel=OUTPUT),
    ] = None,
    mode: Annotated[Mode, typer.Option(help="How the source is watched.", rich_help_panel=WATCH)] = "coach",
    strategy: options.SpeakStrategy = None,
    prompt: options.Prompt = None,
    seconds: options.Seconds = None,
    encoder: options.EncoderBackend = None,
    generator: options.GeneratorBackend = None,
    config: options.Config = "",
    sets: options.Set = [],  # noqa: B006
) -> None:
    """Write the words about a video as a file of subtitles, JSON lines or Markdown.

    A file is read without a gap, as fast as this machine can; a camera until Ctrl-C. All of it runs in this process.
    """
    chosen = options.command_settings(
        config,
        "",
        sets,
        mode_settings(mode),
        ALWAYS,
        speak__strategy=strategy,
        say__prompt=prompt,
        encoder__backend=encoder,
        generator__backend=generator,
    )
    (spec,) = source_specs([source], chosen.settings, mode=mode)  # reports a wrong source before the models load
    if output is not None:
        check_target(output, "--output", source=Path(spec.url) if is_file(spec.url) else None)
    wanted = _form(form, output)
    printer = RunOutput(as_json=True, printed_last=True)
    chosen, choice = options.with_models(chosen, printer.note, people=shows_people([spec]))
    note_ignored_prompt(choice, prompt, printer.note)
    (spec,) = limit_retries(source_specs([source], chosen.settings, mode=mode), chosen.given())
    run = TranscriptRun(spec, choice, printer)
    with printer:
        run.load()
        run_until_signal(run.watch(seconds))
    known = run.captions()
    text = transcript(known, wanted, title=run.title, source_id=spec.source_id, start_s=run.start_s())
    if output is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    write_whole(output, text)
    printer.note(f"{len(known)} captions: {output}")


def _form(form: TranscriptFormat | None, output: Path | None) -> TranscriptFormat:
    """The format asked for, else the one that the file's name tells.

    Raises:
        ConfigError: the name tells none.
    """
    if form is not None or output is None:
        return form or "vtt"
    for known in FORMATS:
        if output.suffix.lower() == f".{known}":
            return known
    raise ConfigError(f"--output {str(output)!r}: its name tells no format; give --format {', '.join(FORMATS)}")
