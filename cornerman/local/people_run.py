"""Scores the coach of skeletons on labelled clips of people."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from cornerman_pose.errors import PoseError
from cornerman_pose.people_eval.run import evaluate_people, scores_as_json, sets_of
from cornerman_pose.people_eval.strips import as_html
from cornerman_pose.people_eval.totals import PeopleScore, as_text
from cornerman_shared.errors import ConfigError

if TYPE_CHECKING:
    from cornerman_pose.estimator import PoseEstimator


def score_people(folder: Path, tell: Callable[[str], None]) -> dict[str, PeopleScore]:
    """The score of each set of clips in a folder; "." is the folder itself.

    Args:
        folder: with `labels.json`, or other labels, and landmark files or videos.
        tell: hears the name of each clip that is done.

    Raises:
        ConfigError: there are no labels, a file is damaged, or a video needs an estimator that is not installed.
    """
    # The coach's net and its rules are read when people are to be scored, not with every command.
    from cornerman_pose.skeleton_coach import SkeletonCoach

    try:
        sets = sets_of(folder, _estimator)
        return {name: evaluate_people(showings, SkeletonCoach, tell) for name, showings in sets.items()}
    except PoseError as error:
        raise ConfigError(f"--people: {error}") from error


def people_text(scores: dict[str, PeopleScore]) -> str:
    """Each set under its name: a line a clip, then the totals."""
    return "\n\n".join(f"== {'clips' if name == '.' else name}\n{as_text(score)}" for name, score in scores.items())


def people_json(scores: dict[str, PeopleScore]) -> str:
    """One JSON object: the folder's own set, the others below `sets`."""
    return scores_as_json(scores)


def people_page(scores: dict[str, PeopleScore]) -> str:
    """The HTML report with a strip of time for each clip."""
    return as_html(scores)


@cache
def _estimator() -> PoseEstimator:
    """Loaded with the first video that has no landmark file."""
    from cornerman_pose.estimator import PoseEstimator

    return PoseEstimator.load()
