"""Endings of names that a film can be written with."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from cornerman_media.errors import WriteError
from cornerman_media.writer import VideoWriter

SUFFIXES: Final = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".ts")
"""Those that messages name; FFmpeg knows more."""

_FRAMES: Final = 2
_SIDE: Final = 64


def check_suffix(target: Path) -> None:
    """Writes a film of two small frames with the target's ending, beside the target, and removes it.

    Raises:
        WriteError: no film can be written with this ending; names some that can.
        OSError: nothing can be written there.
    """
    black = np.zeros((_SIDE, _SIDE, 3), np.uint8)
    with TemporaryDirectory(dir=target.absolute().parent, prefix=".") as folder:
        try:
            with VideoWriter(Path(folder) / f"trial{target.suffix}") as writer:
                for number in range(_FRAMES):
                    writer.write(black, number / 30)
        except WriteError as error:
            ending = f"the ending {target.suffix!r}" if target.suffix else "no ending"
            raise WriteError(
                f"{target.name!r}: no film can be written with {ending}; give one of {', '.join(SUFFIXES)}"
            ) from error
