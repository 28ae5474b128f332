"""Videos of an evaluation with their ground truth: sessions of the gym, or files. Runs none of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cornerman.local.source_args import length_s, normal_url
from cornerman_shared.errors import ConfigError
from cornerman_shared.text import clean_text

if TYPE_CHECKING:
    from cornerman_training.evaluate import TimedSession

SIZE, CRF = 224, 24
"""Videos of the gym: side in pixels, the size that capture scales to; H.264 quality as in `cornerman gym render`."""


@dataclass(frozen=True, slots=True)
class EvalClip:
    """A video by name. `file()` returns its path, and renders it first if necessary."""

    name: str
    length_s: float | None
    file: Callable[[], Path]


def gym_clips(
    folder: Path, seeds: range, split: str, kind: str | None, duration_s: float | None, fps: float
) -> list[tuple[EvalClip, TimedSession]]:
    """Sessions of the gym, rendered into `folder` when their file is asked for.

    Raises:
        ValueError: unknown split, kind, duration or rate.
    """
    from cornerman_training.gym.session import plan_session
    from cornerman_training.gym.video import write_video
    from cornerman_training.inprocess import as_truth

    def clip(seed: int) -> tuple[EvalClip, TimedSession]:
        planned = plan_session(seed, split, fps=fps, duration_s=duration_s, kind=kind)
        path = folder / f"{split}-{seed}.mp4"

        def render() -> Path:
            write_video(planned, path, SIZE, CRF)
            return path

        return EvalClip(f"{split} {seed}", planned.duration_s, render), as_truth(planned)

    return [clip(seed) for seed in seeds]


def given_clips(video: str, truth: Path | None, videos: Path | None) -> list[tuple[EvalClip, TimedSession]]:
    """Files with their truth: one video, or all videos that a truth file names.

    Args:
        video: a file; empty = those that `truth` names.
        truth: .json or .vtt; None = the file beside the video.
        videos: folder of the videos that `truth` names; None = the folder of `truth`.

    Raises:
        SourceError: a video is missing.
        ConfigError: another file is missing, or truth and videos do not match.
        ValueError: the truth cannot be read.
    """
    from cornerman_training.evaluate.sources import read_truth

    if video:
        path = Path(normal_url(video))
        beside = [path.with_suffix(suffix) for suffix in (".json", ".vtt")]
        found = truth or next((file for file in beside if file.is_file()), None)
        if found is None:
            raise ConfigError(f"{video!r} has no truth beside it; give --truth FILE, a .json or .vtt")
        sessions = [clean_session(session) for session in read_truth(found)]
        if len(sessions) != 1:
            raise ConfigError(f"{str(found)!r} is about {len(sessions)} videos, and one is given; leave VIDEO out")
        return [_pair(path, sessions[0])]
    assert truth is not None
    root = videos or truth.parent
    pairs = []
    for session in map(clean_session, read_truth(truth)):
        if not session.video:
            raise ConfigError(f"{str(truth)!r} does not say which video it is about; give the video too")
        pairs.append(_pair(Path(normal_url(str(root / session.video))), session))
    return pairs


def clean_session(session: TimedSession) -> TimedSession:
    """The session with valid, printable text: a truth file comes from outside."""
    truth = tuple(replace(spoken, text=clean_text(spoken.text)) for spoken in session.truth)
    return replace(session, name=clean_text(session.name), truth=truth)


def _pair(path: Path, session: TimedSession) -> tuple[EvalClip, TimedSession]:
    length = length_s(str(path))
    return EvalClip(path.name, length, lambda: path), replace(session, duration_s=length or session.duration_s)
