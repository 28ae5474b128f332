"""Renders sessions to video files."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from cornerman_media.writer import VideoWriter, WriteOptions
from cornerman_training.gym.render import SessionRenderer
from cornerman_training.gym.session import GymSession, plan_session
from cornerman_training.gym.truth import write_truth


def write_video(
    session: GymSession,
    path: Path,
    size: int,
    crf: int,
    progress: Callable[[int, int], None] | None = None,
    *,
    height: int | None = None,
) -> None:
    """Writes an H.264 video, `size` pixels wide and `height` high (None: square).

    Calls `progress(frames done, frames in all)`.
    """
    renderer = SessionRenderer(session, size, height)
    rate = round(session.fps)
    # Without `cpu-independent`, x264's rate control depends on earlier computations of the process.
    encoder = {"crf": str(crf), "preset": "medium", "threads": "1", "x264-params": "cpu-independent=1"}
    with VideoWriter(path, WriteOptions(rate=Fraction(rate), codec_options=encoder)) as writer:
        for index in range(session.frames):
            writer.write(renderer.frame(index), index / rate, 1 / rate)
            if progress is not None:
                progress(index + 1, session.frames)


def render_session(
    seed: int,
    split: str = "train",
    *,
    out: Path,
    size: int = 480,
    fps: float = 30.0,
    duration_s: float | None = None,
    kind: str | None = None,
    crf: int = 24,
    progress: Callable[[int, int], None] | None = None,
) -> GymSession:
    """Renders one session to `out` (.mp4), with its truth beside it as .json and .vtt.

    Args:
        seed: the session.
        split: "train", "validation" or "test".
        out: path of the video; its folder is created.
        size: width and height in pixels, even.
        fps: frames a second.
        duration_s: length in seconds; None: by the seed.
        kind: "exercise", "quiet" or "footage"; None: by the seed.
        crf: H.264 quality, 0 best, 51 worst.
        progress: called with (frames done, frames in all).

    Raises:
        ValueError: for an odd size, an unknown split or kind, or a path that does not end in .mp4.
    """
    if size % 2 or size < 32:
        raise ValueError(f"size is {size}: choose an even number of pixels, at least 32")
    if out.suffix != ".mp4":
        raise ValueError(f"out is {out.name!r}: the video's name must end in .mp4")
    session = plan_session(seed, split, fps=fps, duration_s=duration_s, kind=kind)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_video(session, out, size, crf, progress)
    write_truth(session, out)
    return session
