"""Checks beside the clips: mistakes made from real repetitions, and single frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cornerman_pose.files import read_landmarks
from cornerman_pose.people_eval.clips import read_labels
from cornerman_pose.people_eval.coach import PersonCoach
from cornerman_pose.people_eval.made import score_made
from cornerman_pose.people_eval.stills import MEANINGS, read_stills, score_stills


def made_checks(folder: Path, make_coach: Callable[[], PersonCoach]) -> dict[str, dict[str, float | int | None]]:
    """Scores by kind of `made.KINDS` on the folder's good clips with labelled repetitions and landmark files.

    Raises:
        LandmarkFileError: a damaged table or file.
    """
    if not (folder / "labels.json").is_file():
        return {}
    clips = [one for one in read_labels(folder) if one.landmarks is not None and one.reps and one.verdict == "good"]
    read = [(one, read_landmarks(one.landmarks)) for one in clips if one.landmarks is not None]
    return {name: one.to_dict() for name, one in score_made(read, make_coach).items() if one.made}


def frame_checks(folder: Path) -> dict[str, dict[str, float]]:
    """Scores by exercise and label of the single frames in a folder and the folders in it.

    Raises:
        LandmarkFileError: a damaged file.
    """
    found: dict[str, dict[str, float]] = {}
    for place in (folder, *sorted(path for path in folder.iterdir() if path.is_dir())):
        for name in MEANINGS:
            if (place / f"{name}.csv").is_file():
                found |= score_stills(read_stills(place / f"{name}.csv"))
    return found
