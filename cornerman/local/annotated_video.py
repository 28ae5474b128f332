"""Draws captions on the frames of a video and writes it again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cornerman.local.captions import Caption, caption_at, wrap
from cornerman_shared.errors import SourceError

if TYPE_CHECKING:
    import av
    from PIL.Image import Image

TEXT_COLOURS = {"correct": (255, 209, 102), "feedback": (144, 238, 144)}
OTHER_TEXT = (255, 255, 255)
BAND = (0, 0, 0, 160)  # RGBA


def write_annotated(source: Path, target: Path, known: Sequence[Caption]) -> int:
    """Writes `source` as H.264 with the captions drawn on it, sound copied. Returns the number of frames.

    Raises:
        SourceError: the source cannot be read, or the target cannot be written.
    """
    import av

    try:
        with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
            return sum(1 for _ in _copy(reader, writer, known))
    except (av.FFmpegError, OSError, IndexError) as error:
        raise SourceError(f"{source.name} could not be annotated: {error}") from error


def _copy(
    reader: av.container.InputContainer, writer: av.container.OutputContainer, known: Sequence[Caption]
) -> Iterator[int]:
    """Copies frame by frame; yields once per frame."""
    video = reader.streams.video[0]
    video.thread_type = "AUTO"
    rate = video.average_rate or video.guessed_rate or 25
    out = writer.add_stream("libx264", rate=rate)
    # H.264 with 4:2:0 colour needs even sides.
    out.width, out.height = video.codec_context.width // 2 * 2, video.codec_context.height // 2 * 2
    out.pix_fmt, out.time_base = "yuv420p", video.time_base
    sound = [(stream, writer.add_stream_from_template(stream)) for stream in reader.streams.audio[:1]]
    start_s: float | None = None
    for packet in reader.demux(video, *(stream for stream, _ in sound)):
        if packet.stream is not video:
            if packet.dts is not None:
                packet.stream = sound[0][1]
                writer.mux(packet)
            continue
        for frame in packet.decode():
            pts_s = float(frame.time or 0.0)
            # Captions count from the first frame; files may start at any timestamp.
            start_s = pts_s if start_s is None else start_s
            caption = caption_at(known, pts_s - start_s)
            drawn = frame
            if caption is not None:
                drawn = type(frame).from_image(draw_caption(frame.to_image(), caption))
                drawn.pts, drawn.time_base = frame.pts, frame.time_base
            drawn = drawn.reformat(out.width, out.height, "yuv420p")
            drawn.pict_type = 0  # the encoder places key frames; those of the source do not apply
            writer.mux(out.encode(drawn))
            yield 1
    writer.mux(out.encode(None))


def draw_caption(picture: Image, caption: Caption) -> Image:
    """Draws the caption on a dark band at the lower edge of a copy of the picture."""
    from PIL import Image, ImageDraw, ImageFont

    size = max(12, picture.height // 18)
    font: Any = ImageFont.load_default(size)
    columns = max(8, int(picture.width * 0.92 / (font.getlength("n") or size / 2)))
    text = "\n".join(wrap(caption.text, columns))
    layer = Image.new("RGBA", picture.size)
    draw = ImageDraw.Draw(layer)
    left, top, right, bottom = draw.multiline_textbbox((0, 0), text, font=font, spacing=size // 4)
    x, y = (picture.width - (right - left)) // 2, picture.height - int(bottom - top) - size
    draw.rectangle((0, y - size // 2, picture.width, picture.height), fill=BAND)
    fill = TEXT_COLOURS.get(caption.action, OTHER_TEXT)
    draw.multiline_text((x, y - top), text, font=font, fill=fill, spacing=size // 4, align="center")
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")
