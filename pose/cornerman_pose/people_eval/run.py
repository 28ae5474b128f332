"""Shows the clips of a folder to a coach, set by set."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cornerman_pose.errors import LandmarkFileError
from cornerman_pose.files import read_landmarks
from cornerman_pose.landmarks import SeenChunk
from cornerman_pose.people_eval.clips import LabelledClip, read_labels
from cornerman_pose.people_eval.coach import PersonCoach, watch
from cornerman_pose.people_eval.datasets import read_qevd, read_repcount
from cornerman_pose.people_eval.mocap import read_mocap
from cornerman_pose.people_eval.score import score_clip
from cornerman_pose.people_eval.totals import PeopleScore
from cornerman_pose.people_eval.video import frame_rate, seen_chunks

if TYPE_CHECKING:
    from cornerman_pose.estimator import PoseEstimator

MOCAP: Final[Mapping[str, str]] = {"squat": "squat", "inline_lunge": "lunge"}
"""Motion capture files by name, and their exercise."""

_QEVD: Final = ("feedbacks_long_range.json", "fine_grained_labels.json")


@dataclass(frozen=True, slots=True)
class Showing:
    """A clip, and how to get its chunks."""

    clip: LabelledClip
    chunks: Callable[[], Iterable[SeenChunk]]


def sets_of(folder: Path, estimator: Callable[[], PoseEstimator] | None = None) -> dict[str, list[Showing]]:
    """The sets of clips in a folder and the folders in it, by name; "." is the folder itself.

    Reads `labels.json`, RepCount's annotation CSVs, QEVD's JSON and motion capture, whatever is there.

    Args:
        folder: with the labels.
        estimator: makes the one that sees videos without landmark files; called when the first such is shown.

    Raises:
        LandmarkFileError: nothing that can be read, or something damaged.
    """
    if not folder.is_dir():
        raise LandmarkFileError(f"no such folder: {folder}")
    found: dict[str, list[Showing]] = {}
    for place in (folder, *sorted(path for path in folder.iterdir() if path.is_dir())):
        if showings := _set(place, estimator):
            found[str(place.relative_to(folder))] = showings
    if not found:
        raise LandmarkFileError(f"{folder} holds no labels.json, RepCount CSV, QEVD JSON or motion capture")
    return found


def evaluate_people(
    showings: Iterable[Showing], make_coach: Callable[[], PersonCoach], tell: Callable[[str], None] = lambda _: None
) -> PeopleScore:
    """Shows every clip to a coach of its own, and judges what it made of it.

    Args:
        showings: the clips.
        make_coach: a coach that has seen nothing.
        tell: hears the name of each clip that is done.
    """
    scores = []
    for one in showings:
        scores.append(score_clip(one.clip, watch(make_coach(), one.chunks())))
        tell(one.clip.name)
    return PeopleScore(tuple(scores))


def _set(place: Path, estimator: Callable[[], PoseEstimator] | None) -> list[Showing]:
    clips: list[LabelledClip] = []
    if (place / "labels.json").is_file():
        clips += read_labels(place)
    for name in _QEVD:
        if (place / name).is_file():
            clips += read_qevd(place / name, place)
    for path in sorted(place.glob("*.csv")):
        if _is_repcount(path):
            clips += read_repcount(path, place)
    showings = [_showing(clip, estimator) for clip in clips]
    for name, exercise in MOCAP.items():
        if (place / f"{name}.npz").is_file() and not clips:
            captured = read_mocap(place / f"{name}.npz", exercise)
            showings += [Showing(clip, partial(track.chunks)) for clip, track in captured]
    return showings


def _is_repcount(path: Path) -> bool:
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        columns = [name.strip() for name in stream.readline().split(",")]
    return {"type", "name", "L1"} <= set(columns)


def _showing(clip: LabelledClip, estimator: Callable[[], PoseEstimator] | None) -> Showing:
    if clip.rep_frames and clip.video is not None:
        fps = frame_rate(clip.video)
        clip = replace(clip, reps=tuple((start / fps, end / fps) for start, end in clip.rep_frames))
    return Showing(clip, partial(_chunks, clip, estimator))


def _chunks(clip: LabelledClip, estimator: Callable[[], PoseEstimator] | None) -> Iterator[SeenChunk]:
    first_s, last_s = clip.span_s or (0.0, float("inf"))
    if clip.landmarks is not None:
        for seen in read_landmarks(clip.landmarks).chunks():
            if first_s <= seen.frame_pts_s[0] and seen.frame_pts_s[-1] <= last_s:
                yield seen
        return
    if clip.video is None or estimator is None:
        raise LandmarkFileError(
            f"{clip.name} has no landmark file; give the pose weights so that its video can be seen"
        )
    for seen, _ in seen_chunks(clip.video, estimator(), most_s=last_s):
        if first_s <= seen.frame_pts_s[0]:
            yield seen


def scores_as_json(scores: Mapping[str, PeopleScore], checks: Mapping[str, object] | None = None) -> str:
    """The folder's own set with the keys at the top, the other sets below `sets`, by name; and `checks`, by name."""
    own = scores.get(".")
    top: dict[str, object] = own.to_dict() if own else {}
    others = {name: score.to_dict() for name, score in scores.items() if name != "."}
    if others:
        top["sets"] = others
    top |= {name: found for name, found in (checks or {}).items() if found}
    return json.dumps(top, indent=1)
