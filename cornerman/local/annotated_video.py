"""Draws captions on the frames of a video and writes it again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cornerman.local.captions import Caption, caption_at, wrap
from cornerman_media.errors import MediaError, WriteError
from cornerman_shared.errors import ConfigError, FatalError, SourceError

if TYPE_CHECKING:
    from PIL.Image import Image

    from cornerman_media.rewriting import Draw, Rewritten

TEXT_COLOURS = {"correct": (255, 209, 102), "feedback": (144, 238, 144)}
OTHER_TEXT = (255, 255, 255)
BAND = (0, 0, 0, 160)  # RGBA


def check_film(target: Path) -> None:
    """Refuses a name that no film can be written with, before the work for it begins.

    Raises:
        ConfigError: FFmpeg knows no such ending, or the disk takes no film.
    """
    from cornerman_media.suffixes import check_suffix

    try:
        check_suffix(target)
    except (WriteError, OSError) as error:
        raise ConfigError(f"--output {error}") from error


def write_annotated(
    source: Path, target: Path, known: Sequence[Caption], progress: Callable[[float], None] = lambda time_s: None
) -> Rewritten:
    """Writes `source` as it is shown, with the captions drawn on it and its sound copied.

    Args:
        source: a video file.
        target: the new file; it appears only when it is whole.
        known: captions in media time.
        progress: called with the media time of each frame, seconds.

    Raises:
        SourceError: the source cannot be read.
        FatalError: the target cannot be written.
    """

    from cornerman_media.rewriting import rewrite

    def draw(time_s: float) -> Draw | None:
        progress(time_s)
        caption = caption_at(known, time_s)
        return None if caption is None else partial(_with_caption, caption)

    try:
        return rewrite(source, target, draw)
    except WriteError as error:
        raise FatalError(f"{target.name} could not be written: {error}") from error
    except MediaError as error:
        raise SourceError(f"{source.name} could not be annotated: {error}") from error


def _with_caption(caption: Caption, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(draw_caption(Image.fromarray(picture), caption))


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
