"""Labels of public data sets, for those who have the videos: RepCount's annotation CSVs and QEVD's JSON."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from cornerman_pose.errors import LandmarkFileError
from cornerman_pose.people_eval.clips import LabelledClip, Verdict, VisibleMistake, files_of
from cornerman_pose.people_eval.names import EXERCISES, exercise_name, mistake_name

_MISTAKES: Final[Mapping[str, str]] = {
    "shallow": "too_shallow",
    "not low enough": "too_shallow",
    "knees caving in": "knees_in",
    "knees in": "knees_in",
    "back rounded": "round_back",
    "hips sagging": "hips_sagging",
    "hips too low": "hips_sagging",
    "hips too high": "hips_high",
    "leaning forward": "leaning_forward",
    "leaning back": "leaning_back",
    "too fast": "too_fast",
    "arms too low": "low_arms",
    "feet too narrow": "narrow_feet",
}
"""Variations of QEVD's labels that are mistakes of ours; clips with others get no verdict."""

_TRANSITION: Final = re.compile(r"^(?:first up (?:are|is)|moving on to)\s+(?:the\s+)?(.*?)[.!]*$", re.IGNORECASE)


def read_repcount(path: Path, videos: Path) -> list[LabelledClip]:
    """Clips of a RepCount annotation CSV: `type, name, count, L1, L2, …`, L in frames, start and end in turn.

    Rows without a video are left out, and so are those without labels (RepCount has some).

    Raises:
        LandmarkFileError: it is no such CSV, or no video is there.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LandmarkFileError(f"{path} cannot be read as CSV: {error}") from error
    if not rows or not {"type", "name", "L1"} <= rows[0].keys():
        raise LandmarkFileError(f"{path} is no RepCount annotation: expected columns type, name, count, L1, L2, ...")
    found = []
    for row in rows:
        landmarks, video = files_of(videos, Path(row["name"]).stem)
        marks = _marks(path, row)
        if video is None or not marks:
            continue
        name, label = Path(row["name"]).stem, row["type"]
        exercise = exercise_name(label)
        found.append(
            LabelledClip(
                name=name,
                exercise=exercise if exercise in EXERCISES else "",
                label=label,
                reps=None,
                verdict="none",
                mistakes=(),
                seconds=0.0,
                group=name,
                landmarks=landmarks,
                video=video,
                rep_frames=tuple(zip(marks[::2], marks[1::2], strict=False)),
            )
        )
    return _some(found, path, videos)


def read_qevd(path: Path, videos: Path) -> list[LabelledClip]:
    """Clips of QEVD's `feedbacks_long_range.json` (a clip each exercise of a session) or `fine_grained_labels.json`.

    Repetitions are not labelled there. Rows without a video are left out.

    Raises:
        LandmarkFileError: it is neither, or no video is there.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LandmarkFileError(f"{path} is not JSON: {error}") from error
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise LandmarkFileError(f"{path} is no list of objects")
    if "long_range_video_file" in rows[0]:
        clips = [clip for number, row in enumerate(rows) for clip in _session(path, videos, number, row)]
    elif "labels" in rows[0] and "video_path" in rows[0]:
        clips = [clip for row in rows for clip in _short(videos, row)]
    else:
        raise LandmarkFileError(
            f"{path}: expected `long_range_video_file` or `video_path` and `labels` in every object"
        )
    return _some(clips, path, videos)


def _some(clips: list[LabelledClip], path: Path, videos: Path) -> list[LabelledClip]:
    if not clips:
        raise LandmarkFileError(f"{videos} holds none of the labelled videos that {path} lists")
    return clips


def _marks(path: Path, row: Mapping[str, str]) -> list[int]:
    """Frames of a row's labels, in order, up to the first empty one."""
    marks: list[int] = []
    while (text := (row.get(f"L{len(marks) + 1}") or "").strip()) and text.lower() != "nan":
        try:
            marks.append(int(float(text)))
        except ValueError as error:
            raise LandmarkFileError(
                f"{path}, {row['name']}: L{len(marks) + 1} is {text!r}; expected a frame"
            ) from error
    return marks


def _short(videos: Path, row: Mapping[str, Any]) -> Iterator[LabelledClip]:
    name = Path(str(row["video_path"])).stem
    landmarks, video = files_of(videos, name)
    labels = [str(label) for label in row["labels"]]
    if (landmarks is None and video is None) or not labels:
        return
    exercise = exercise_name(labels[0].partition(" - ")[0])
    variations = [label.partition(" - ")[2].lower() for label in labels]
    mistakes = tuple(
        VisibleMistake((mistake_name(name),), None, text)
        for text in variations
        for part, name in _MISTAKES.items()
        if part in text
    )
    verdict: Verdict = "mistake" if mistakes else "none"
    yield LabelledClip(
        name=name,
        exercise=exercise if exercise in EXERCISES else "",
        label=labels[0],
        reps=None,
        verdict=verdict,
        mistakes=mistakes,
        seconds=0.0,
        group=name,
        landmarks=landmarks,
        video=video,
    )


def _session(path: Path, videos: Path, number: int, row: Mapping[str, Any]) -> Iterator[LabelledClip]:
    where = f"{path}, row {number}"
    name = Path(str(row["long_range_video_file"])).stem
    landmarks, video = files_of(videos, name)
    if landmarks is None and video is None:
        return
    try:
        said = _sentences([str(text) for text in row["feedbacks"]])
        at_s = [float(t) for t in row["feedback_timestamps"]]
        turns = [bool(turn) for turn in row["is_transition"]]
    except (KeyError, TypeError, ValueError) as error:
        raise LandmarkFileError(
            f"{where}: {error!r}; expected feedbacks, feedback_timestamps, is_transition"
        ) from error
    if not len(said) == len(at_s) == len(turns):
        raise LandmarkFileError(f"{where}: {len(said)} feedbacks, {len(at_s)} timestamps, {len(turns)} is_transition")
    begin_s, end_s = _clock(path.parent, row.get("video_timestamps"), at_s)
    starts = [i for i, turn in enumerate(turns) if turn]
    for place, i in enumerate(starts):
        named = _TRANSITION.match(said[i])
        if named is None:
            continue
        until_s = at_s[starts[place + 1]] if place + 1 < len(starts) else end_s
        exercise = exercise_name(named[1])
        yield LabelledClip(
            name=f"{name}#{place + 1}",
            exercise=exercise if exercise in EXERCISES else "",
            label=named[1],
            reps=None,
            verdict="none",
            mistakes=(),
            seconds=until_s - at_s[i],
            group=name,
            landmarks=landmarks,
            video=video,
            span_s=(at_s[i] - begin_s, until_s - begin_s),
        )


def _sentences(feedbacks: Sequence[str]) -> list[str]:
    """Feedbacks of a list with one entry a frame, each given once; a list of sentences stays as it is."""
    if "" not in feedbacks:
        return list(feedbacks)
    before = ""
    found = []
    for text in feedbacks:
        if text and text != before:
            found.append(text)
        before = text
    return found


def _clock(folder: Path, stamps: object, at_s: Sequence[float]) -> tuple[float, float]:
    """First and last time on the clock of the feedbacks."""
    if isinstance(stamps, str) and (folder / stamps).is_file():
        times = np.load(folder / stamps, allow_pickle=False).ravel()
        return float(times[0]), float(times[-1])
    if isinstance(stamps, list) and stamps:
        return float(stamps[0]), float(stamps[-1])
    return 0.0, at_s[-1] if at_s else 0.0
