"""`cornerman annotate VIDEO`: writes a copy of a video with its feedback drawn on it, and subtitles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cornerman.local import options
from cornerman.local.captions import captions
from cornerman.local.event_lines import EventLines, Line, read_lines
from cornerman.local.help_panels import OUTPUT, WATCH
from cornerman.local.output_files import check_target, write_whole
from cornerman.local.pipeline import run_sources
from cornerman.local.run_output import RunOutput
from cornerman.local.source_args import is_file, length_s, normal_url
from cornerman.local.source_specs import source_specs
from cornerman_common.pose_choice import shows_people
from cornerman_media.webvtt import Cue, webvtt
from cornerman_shared.errors import ConfigError, SourceError
from cornerman_shared.redact import redact_url

if TYPE_CHECKING:
    from cornerman_shared.bus.messages import Event


def annotate(
    video: Annotated[str, typer.Argument(metavar="VIDEO", help="A video file.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Default: VIDEO.annotated.mp4", rich_help_panel=OUTPUT)
    ] = None,
    feedback: Annotated[
        Path | None,
        typer.Option("--from", help="Lines of an earlier `run --json`; default: watch it now.", rich_help_panel=WATCH),
    ] = None,
    strategy: options.SpeakStrategy = None,
    prompt: options.Prompt = None,
    encoder: options.EncoderBackend = None,
    generator: options.GeneratorBackend = None,
    config: options.Config = "",
    redis: options.Redis = "",
    sets: options.Set = [],  # noqa: B006
    verbose: options.Verbose = False,
) -> None:
    """Write a video with its feedback on the picture, and the same as subtitles (.vtt) beside it.

    Without --from, the file is watched first, losslessly, with the bundled model if there is one.
    """
    try:
        import PIL  # noqa: F401
    except ImportError:
        raise ConfigError("drawing on pictures needs Pillow: pip install 'cornerman[train]'") from None
    path = _video_file(video)
    target = output or path.with_suffix(".annotated.mp4")
    check_target(target, "--output", source=path)
    check_target(target.with_suffix(".vtt"), "--output", source=path)
    from cornerman.local.annotated_video import check_film, write_annotated  # FFmpeg is slow to import

    check_film(target)
    printer = RunOutput(as_json=False)
    if feedback is not None:
        lines = read_lines(feedback)
    else:
        chosen = options.command_settings(
            config,
            redis,
            sets,
            options.quiet(verbose),
            watch__lossless=True,
            watch__realtime=False,
            speak__strategy=strategy,
            say__prompt=prompt,
            encoder__backend=encoder,
            generator__backend=generator,
        )
        people = shows_people(source_specs([str(path)], chosen.settings))
        lines = _watch(path, options.with_models(chosen, printer.note, people=people)[0], printer)
    known = captions(lines)
    total_s = length_s(str(path))
    printer = RunOutput(as_json=False)  # the bar of the watching is gone
    with printer:
        written = write_annotated(
            path, target, known, lambda at_s: printer.advance(target.name, at_s, total_s, "writing")
        )
    # Players count from the container's zero, captions from the first picture.
    begin_s = written.start_s
    cues = [Cue(one.start_s + begin_s, one.end_s + begin_s, one.text, note=one.about) for one in known]
    write_whole(target.with_suffix(".vtt"), webvtt(cues))
    for note in written.notes:
        printer.note(f"{path.name}: {note}")
    printer.note(f"{len(known)} captions on {written.frames} frames: {target} and {target.with_suffix('.vtt').name}")


def _video_file(video: str) -> Path:
    """The typed video's path.

    Raises:
        SourceError: it cannot be read.
    """
    url = normal_url(video)
    if not is_file(url):
        raise SourceError(f"{redact_url(url)!r} is not a file of this machine; save it first, and give the file")
    return Path(url)


def _watch(path: Path, chosen: options.CommandSettings, printer: RunOutput) -> list[Line]:
    """Runs the video through the services; returns the lines of its events."""
    lines: list[Line] = []
    event_lines = EventLines()

    def on_event(event: Event) -> None:
        line = event_lines.of(event)
        if line is not None:
            lines.append(line)

    code = run_sources(chosen, source_specs([str(path)], chosen.settings), printer, on_event=on_event)
    if code:
        raise typer.Exit(code)
    return lines
