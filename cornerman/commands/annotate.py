"""`cornerman annotate VIDEO`: watch a file, then write it again with what was said standing on the picture."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cornerman.commands.run import specs_of, watch_them
from cornerman.local import options
from cornerman.local.captions import Caption, caption_at, captions, rows, webvtt
from cornerman.local.event_lines import EventLines, Line
from cornerman.local.run_output import RunOutput
from cornerman.local.source_args import normal
from cornerman_shared.bus.messages import Event
from cornerman_shared.errors import ConfigError, SourceError
from cornerman_shared.settings.source import Strategy

if TYPE_CHECKING:
    import av
    from PIL.Image import Image

INK = {"correct": (255, 209, 102), "feedback": (144, 238, 144)}
PAPER = (0, 0, 0, 160)


def annotate(
    video: Annotated[str, typer.Argument(metavar="VIDEO", help="A video file.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: VIDEO.annotated.mp4")] = None,
    feedback: Annotated[
        Path | None, typer.Option("--from", help="Lines of an earlier `run --json`; default: watch it now.")
    ] = None,
    strategy: Annotated[Strategy | None, typer.Option(help="Who decides when to speak.")] = None,
    prompt: Annotated[str | None, typer.Option(help="What the model is asked.")] = None,
    encoder: Annotated[str | None, typer.Option(help="Encoder back end: fake or mobile_videogpt.")] = None,
    generator: Annotated[
        str | None, typer.Option(help="Generator back end: echo, mobile_videogpt, vlm, openai…")
    ] = None,
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
    path = Path(normal(video))
    target = output or path.with_suffix(".annotated.mp4")
    if target.absolute() == path:
        raise ConfigError(f"--output {str(target)!r} is the video itself; give another name")
    screen = RunOutput(as_json=False)
    if feedback is not None:
        lines = read_lines(feedback)
    else:
        lines = []
        chosen = options.choose(
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
        chosen = options.with_models(chosen, screen.note)
        collector = EventLines()

        def keep(event: Event) -> None:
            line = collector.of(event)
            if line is not None:
                lines.append(line)

        code = watch_them(chosen, specs_of([str(path)], chosen.settings), screen, on_event=keep)
        if code:
            raise typer.Exit(code)
    known = captions(lines)
    frames = burn(path, target, known)
    target.with_suffix(".vtt").write_text(webvtt(known), encoding="utf-8")
    screen.note(f"{len(known)} captions on {frames} frames: {target} and {target.with_suffix('.vtt').name}")


def read_lines(path: Path) -> list[Line]:
    """The objects of a file of JSON lines.

    Raises:
        ConfigError: no such file, or a line is not an object.
    """
    found: list[Line] = []
    try:
        for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            line = json.loads(text)
            if not isinstance(line, dict):
                raise ConfigError(f"--from {str(path)!r}, line {number}: not a JSON object")
            found.append(line)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--from {str(path)!r} cannot be read as JSON lines: {error}") from None
    return found


def burn(source: Path, target: Path, known: Sequence[Caption]) -> int:
    """Writes `source` as H.264 with the captions drawn on it, sound copied. Returns how many frames it has.

    Raises:
        SourceError: the source cannot be read, or the target not written.
    """
    import av

    try:
        with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
            return sum(1 for _ in _copied(reader, writer, known))
    except (av.FFmpegError, OSError, IndexError) as error:
        raise SourceError(f"{source.name} could not be annotated: {error}") from error


def _copied(
    reader: av.container.InputContainer, writer: av.container.OutputContainer, known: Sequence[Caption]
) -> Iterator[int]:
    """Copies frame by frame; yields once for each."""
    video = reader.streams.video[0]
    video.thread_type = "AUTO"
    rate = video.average_rate or video.guessed_rate or 25
    out = writer.add_stream("libx264", rate=rate)
    # H.264 with 4:2:0 colour needs even sides.
    out.width, out.height = video.codec_context.width // 2 * 2, video.codec_context.height // 2 * 2
    out.pix_fmt, out.time_base = "yuv420p", video.time_base
    sound = [(one, writer.add_stream_from_template(one)) for one in reader.streams.audio[:1]]
    start_s: float | None = None
    for packet in reader.demux(video, *(one for one, _ in sound)):
        if packet.stream is not video:
            if packet.dts is not None:
                packet.stream = sound[0][1]
                writer.mux(packet)
            continue
        for frame in packet.decode():
            pts_s = float(frame.time or 0.0)
            start_s = pts_s if start_s is None else start_s
            caption = caption_at(known, pts_s - start_s)
            drawn = frame
            if caption is not None:
                drawn = type(frame).from_image(drawn_on(frame.to_image(), caption))
                drawn.pts, drawn.time_base = frame.pts, frame.time_base
            drawn = drawn.reformat(out.width, out.height, "yuv420p")
            drawn.pict_type = 0  # the encoder chooses; the source's key frames mean nothing here
            writer.mux(out.encode(drawn))
            yield 1
    writer.mux(out.encode(None))


def drawn_on(picture: Image, caption: Caption) -> Image:
    """The picture with the caption on a dark band at its lower edge."""
    from PIL import Image, ImageDraw, ImageFont

    size = max(12, picture.height // 18)
    font: Any = ImageFont.load_default(size)
    columns = max(8, int(picture.width * 0.92 / (font.getlength("n") or size / 2)))
    text = "\n".join(rows(caption.text, columns))
    layer = Image.new("RGBA", picture.size)
    draw = ImageDraw.Draw(layer)
    left, top, right, bottom = draw.multiline_textbbox((0, 0), text, font=font, spacing=size // 4)
    x, y = (picture.width - (right - left)) // 2, picture.height - int(bottom - top) - size
    draw.rectangle((0, y - size // 2, picture.width, picture.height), fill=PAPER)
    ink = INK.get(caption.action, (255, 255, 255))
    draw.multiline_text((x, y - top), text, font=font, fill=ink, spacing=size // 4, align="center")
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")
