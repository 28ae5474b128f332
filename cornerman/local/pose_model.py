"""The pose estimator on this machine: its weights and its runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

from cornerman_pose import weights
from cornerman_pose.errors import PoseError, WeightsError
from cornerman_pose.nets import litert
from cornerman_shared.errors import ConfigError


class WeightRow(TypedDict):
    """One file of weights, as `cornerman models list --json` prints it."""

    model: str
    file: str
    state: str
    size_bytes: int
    path: str


def weight_rows() -> list[WeightRow]:
    """Every file of weights and its state: "found", "missing", or what is wrong with it."""
    return [
        WeightRow(
            model="pose",
            file=row.name,
            state=row.problem.removeprefix("is ") or "found",
            size_bytes=row.size_bytes,
            path=str(row.path),
        )
        for row in weights.stored()
    ]


def get_weights(
    source: Path | None, to: Path | None, variant: str, tell: Callable[[str], None] = lambda _: None
) -> tuple[Path, Path]:
    """Brings the weights of a variant into a folder, the cache when None; returns where they lie.

    Args:
        source: what holds them; None = they are downloaded.
        to: the folder.
        variant: "lite" or "full".
        tell: hears what is done, a few words, before it is done.

    Raises:
        ConfigError: they cannot be had, or are not the pinned ones.
    """
    try:
        found = weights.fetch(to, source, variant, tell)
    except WeightsError as error:
        raise ConfigError(str(error)) from error
    return found.detector, found.landmarks


def pose_state() -> tuple[str, str]:
    """(what is found, remedy) of runtime and weights; the remedy is empty when the estimator can run."""
    try:
        litert()
        found = weights.find()
    except PoseError as error:
        problem, _, remedy = str(error).rpartition("; ")
        return problem, remedy
    return f"LiteRT, weights in {found.landmarks.parent}", ""
