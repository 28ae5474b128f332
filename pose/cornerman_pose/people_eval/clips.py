"""A labelled clip, and `labels.json` that lists them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from cornerman_pose.errors import LandmarkFileError
from cornerman_pose.people_eval.names import EXERCISES, exercise_name, mistake_name

Verdict = Literal["good", "mistake", "variant", "unclear", "none"]

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*-\s*(\d+(?:\.\d+)?)\s*s\b")

SUFFIXES: Final = (".mp4", ".mkv", ".mov", ".webm", ".avi", ".gif", ".m4v")
"""Video files that are looked for beside landmark files."""


@dataclass(frozen=True, slots=True)
class VisibleMistake:
    """A mistake that the eye sees.

    Attributes:
        names: any of them names it.
        span_s: from and to, seconds; None = anywhere in the clip.
        label: as it was written.
    """

    names: tuple[str, ...]
    span_s: tuple[float, float] | None
    label: str


@dataclass(frozen=True, slots=True)
class LabelledClip:
    """One clip and what people say about it.

    Attributes:
        name: of the clip.
        exercise: one of `EXERCISES`; empty where silence is required.
        label: the exercise as it was written.
        reps: (start, end) in seconds of each repetition; None = not labelled, judged by its verdict alone.
        verdict: of the form.
        mistakes: that are visible.
        seconds: length of the video; 0 = unknown.
        group: takes that are one take, mirrored or cut, share it.
        landmarks: landmark file, if there is one.
        video: video file, if there is one.
        rep_frames: repetitions in frames of the video where their times are not known (RepCount); else empty.
        span_s: the part of the video that is shown, seconds; None = all of it.
    """

    name: str
    exercise: str
    label: str
    reps: tuple[tuple[float, float], ...] | None
    verdict: Verdict
    mistakes: tuple[VisibleMistake, ...]
    seconds: float
    group: str
    landmarks: Path | None = None
    video: Path | None = None
    rep_frames: tuple[tuple[int, int], ...] = ()
    span_s: tuple[float, float] | None = None

    @property
    def quiet(self) -> bool:
        """Whether silence is required."""
        return not self.exercise


def read_labels(folder: Path) -> list[LabelledClip]:
    """The clips of a folder with `labels.json`, each with its landmark file or video.

    Raises:
        LandmarkFileError: no such table, a row that cannot be read, or a clip without landmarks and video.
    """
    path = folder / "labels.json"
    if not path.is_file():
        raise LandmarkFileError(f"{folder} holds no labels.json; see the format in the evaluation's documentation")
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise LandmarkFileError(f"{path} is not JSON: {error}") from error
    if not isinstance(rows, list) or not rows:
        raise LandmarkFileError(f"{path} is no list of clips")
    return [_clip(folder, path, number, row) for number, row in enumerate(rows)]


def files_of(folder: Path, name: str) -> tuple[Path | None, Path | None]:
    """(landmark file, video) of a clip, in the folder or its subfolders `landmarks` and `video`."""
    places = (folder, folder / "landmarks", folder / "video", folder / "videos")
    landmarks = next((p for place in places if (p := place / f"{name}.npz").is_file()), None)
    videos = (place / f"{name}{suffix}" for place in places for suffix in ("", *SUFFIXES))
    return landmarks, next((p for p in videos if p.is_file() and p.suffix in SUFFIXES), None)


def _clip(folder: Path, path: Path, number: int, row: object) -> LabelledClip:
    where = f"{path}, row {number}"
    if not isinstance(row, dict) or not isinstance(row.get("clip"), str) or not isinstance(row.get("exercise"), str):
        raise LandmarkFileError(f"{where}: expected an object with `clip` and `exercise`")
    name, label = row["clip"], row["exercise"]
    landmarks, video = files_of(folder, name)
    if landmarks is None and video is None:
        raise LandmarkFileError(f"{where}: {folder} holds neither {name}.npz nor a video {name}.*")
    exercise = exercise_of(label)
    return LabelledClip(
        name=name,
        exercise=exercise,
        label=label,
        reps=_reps(where, row) if exercise else None,
        verdict=verdict_of(str(row.get("verdict", "-"))),
        mistakes=tuple(visible(str(text)) for text in row.get("mistakes") or ()),
        seconds=float(row.get("seconds") or 0.0),
        group=str(row.get("group", name)),
        landmarks=landmarks,
        video=video,
    )


def exercise_of(label: str) -> str:
    """The exercise that a label means, if it is one that a coach should know; else empty.

    "other: biceps curl" is one, "other: yoga warrior II" and "none: walking" are not.
    """
    kind, _, rest = label.partition(":")
    if kind.strip() == "none":
        return ""
    name = exercise_name(rest if kind.strip() == "other" else label)
    return name if name in EXERCISES else ""


def verdict_of(text: str) -> Verdict:
    """The verdict that a label begins with: "mistake (one man) then good" is a mistake."""
    word = re.match(r"[a-z]*", text.strip().lower())
    found = word.group() if word else ""
    verdicts: Mapping[str, Verdict] = {"good": "good", "mistake": "mistake", "variant": "variant", "unclear": "unclear"}
    return verdicts.get(found, "none")


def visible(text: str) -> VisibleMistake:
    """A mistake as it was written: "round_back/leaning (0-5 s)" has two names and a span."""
    span = _SPAN.search(text)
    names = tuple(mistake_name(part) for part in re.sub(r"\(.*?\)", "", text).split("/"))
    return VisibleMistake(names, (float(span[1]), float(span[2])) if span else None, text)


def _reps(where: str, row: Mapping[str, object]) -> tuple[tuple[float, float], ...] | None:
    reps = row.get("reps")
    if not reps:
        return None
    try:
        found = tuple((float(start), float(end)) for start, end in reps)  # type: ignore[attr-defined]
    except (TypeError, ValueError) as error:
        raise LandmarkFileError(f"{where}: reps are {reps!r:.80}; expected [[start_s, end_s], ...]") from error
    if any(end <= start for start, end in found):
        raise LandmarkFileError(f"{where}: a repetition ends before it starts: {reps!r:.80}")
    return found
