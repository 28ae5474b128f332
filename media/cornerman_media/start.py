"""Where a player shows the first frame of a file."""

from __future__ import annotations

from pathlib import Path

from cornerman_media.reader import open_video


def start_s(path: Path) -> float:
    """Seconds from a player's zero to media time 0; captions in a file of their own are so much later.

    Raises:
        UnreadableError, NoVideoError: of the file.
    """
    with open_video(path) as video:
        next(iter(video), None)
        return video.start_s
