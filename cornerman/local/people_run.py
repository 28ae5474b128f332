"""Scores the coach of skeletons on labelled clips of people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from cornerman_pose.errors import PoseError
from cornerman_pose.people_eval.checks import frame_checks, made_checks
from cornerman_pose.people_eval.run import evaluate_people, scores_as_json, sets_of
from cornerman_pose.people_eval.strips import as_html
from cornerman_pose.people_eval.totals import PeopleScore, as_text
from cornerman_shared.errors import ConfigError

if TYPE_CHECKING:
    from cornerman_pose.estimator import PoseEstimator


def score_people(folder: Path, tell: Callable[[int, int], None]) -> dict[str, PeopleScore]:
    """The score of each set of clips in a folder; "." is the folder itself.

    Args:
        folder: with `labels.json`, or other labels, and landmark files or videos.
        tell: hears before the first clip and after each: how many are done, and how many there are.

    Raises:
        ConfigError: there are no labels, a file is damaged, or a video needs an estimator that is not installed.
    """
    # The coach's net and its rules are read when people are to be scored, not with every command.
    from cornerman_pose.skeleton_coach import SkeletonCoach

    try:
        sets = sets_of(folder, _estimator)
        counted, of = count(1), sum(map(len, sets.values()))
        tell(0, of)
        return {
            name: evaluate_people(showings, SkeletonCoach, lambda _: tell(next(counted), of))
            for name, showings in sets.items()
        }
    except PoseError as error:
        raise ConfigError(f"--people: {error}") from error


def check_people(folder: Path) -> dict[str, dict[str, dict[str, float | int | None]]]:
    """`made`: mistakes made from the folder's good repetitions; `frames`: single frames; each by name.

    Raises:
        ConfigError: a damaged file.
    """
    from cornerman_pose.skeleton_coach import SkeletonCoach

    try:
        frames: dict[str, dict[str, float | int | None]] = {n: {**row} for n, row in frame_checks(folder).items()}
        return {"made": made_checks(folder, SkeletonCoach), "frames": frames}
    except PoseError as error:
        raise ConfigError(f"--people: {error}") from error


def people_text(
    scores: dict[str, PeopleScore], checks: Mapping[str, Mapping[str, Mapping[str, float | int | None]]]
) -> str:
    """Each set under its name: a line a clip, then the totals; then each check, a line a row."""
    parts = [f"== {'clips' if name == '.' else name}\n{as_text(score)}" for name, score in scores.items()]
    for name, rows in checks.items():
        if rows:
            parts.append("\n".join([f"== {name}", *(f"{row:<24} {_cells(values)}" for row, values in rows.items())]))
    return "\n\n".join(parts)


def _cells(values: Mapping[str, float | int | None]) -> str:
    return "  ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in values.items())


def people_json(
    scores: dict[str, PeopleScore], checks: Mapping[str, Mapping[str, Mapping[str, float | int | None]]]
) -> str:
    """One JSON object: the folder's own set, the others below `sets`, and the checks by name."""
    return scores_as_json(scores, checks)


def people_page(scores: dict[str, PeopleScore]) -> str:
    """The HTML report with a strip of time for each clip."""
    return as_html(scores)


@cache
def _estimator() -> PoseEstimator:
    """Loaded with the first video that has no landmark file."""
    from cornerman_pose.estimator import PoseEstimator

    return PoseEstimator.load()
