"""Films to be shown to the product, each with what is true of it: sessions of the gym, or files. Shows none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cornerman.local.eval_run import EvalClip
from cornerman.local.source_args import length_s, normal
from cornerman_shared.errors import ConfigError

if TYPE_CHECKING:
    from cornerman_training.evaluate import TimedSession

SIZE, CRF = 224, 24
"""The gym's films: side in pixels, which is what capture shrinks to; H.264 quality as `cornerman gym render`."""


def gym_clips(
    folder: Path, seeds: range, split: str, kind: str | None, duration_s: float | None, fps: float
) -> list[tuple[EvalClip, TimedSession]]:
    """Sessions of the gym, rendered into `folder` when their turn comes.

    Raises:
        ValueError: for a split, kind, duration or rate that the gym does not know.
    """
    from cornerman_training.gym.session import plan_session
    from cornerman_training.gym.video import write_video
    from cornerman_training.inprocess import as_truth

    def film(seed: int) -> tuple[EvalClip, TimedSession]:
        planned = plan_session(seed, split, fps=fps, duration_s=duration_s, kind=kind)
        path = folder / f"{split}-{seed}.mp4"

        def rendered() -> Path:
            write_video(planned, path, SIZE, CRF)
            return path

        return EvalClip(f"{split} {seed}", planned.duration_s, rendered), as_truth(planned)

    return [film(seed) for seed in seeds]


def given_clips(video: str, truth: Path | None, videos: Path | None) -> list[tuple[EvalClip, TimedSession]]:
    """Files with their truth: one video, or all that a truth file names.

    Args:
        video: a file; empty = those that `truth` names.
        truth: .json or .vtt; None = the one beside the video.
        videos: folder of the videos that `truth` names; None = its own.

    Raises:
        ConfigError: a file is missing, or truth and videos do not go together.
        ValueError: the truth cannot be read.
    """
    from cornerman_training.evaluate.sources import read_truth

    if video:
        path = Path(normal(video))
        beside = [path.with_suffix(suffix) for suffix in (".json", ".vtt")]
        found = truth or next((one for one in beside if one.is_file()), None)
        if found is None:
            raise ConfigError(f"{video!r} has no truth beside it; give --truth FILE, a .json or .vtt")
        known = read_truth(found)
        if len(known) != 1:
            raise ConfigError(f"{str(found)!r} is about {len(known)} videos, and one is given; leave VIDEO out")
        return [_film(path, known[0])]
    assert truth is not None
    root = videos or truth.parent
    pairs = []
    for session in read_truth(truth):
        if not session.video:
            raise ConfigError(f"{str(truth)!r} does not say which video it is about; give the video too")
        pairs.append(_film(Path(normal(str(root / session.video))), session))
    return pairs


def _film(path: Path, session: TimedSession) -> tuple[EvalClip, TimedSession]:
    length = length_s(str(path))
    return EvalClip(path.name, length, lambda: path), replace(session, duration_s=length or session.duration_s)
