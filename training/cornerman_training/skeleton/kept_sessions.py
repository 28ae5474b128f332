"""Rendered sessions as `rendered` keeps them in a folder: which ones, and what the estimator saw of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from cornerman_training.gym.session import GymSession, plan_session
from cornerman_training.skeleton.estimator import Landmarks
from cornerman_training.skeleton.gym_points import HEIGHT, WIDTH
from cornerman_training.skeleton.timing import FPS, FRAMES

_KINDS: Final = ("exercise", "exercise", "exercise", "exercise", "quiet")


@dataclass(frozen=True, slots=True)
class KeptSession:
    """A session, what the estimator saw of it, and how many pixels its pictures were wide."""

    session: GymSession
    marks: Landmarks
    width: int


def training_session(seed: int) -> tuple[GymSession, int]:
    """A session of the split "train", as long as an example, and its picture's width: square or 16:9."""
    rng = np.random.default_rng([seed, 6])
    kind = str(rng.choice(_KINDS))
    width = int(rng.choice([HEIGHT, WIDTH]))
    return plan_session(int(rng.integers(1 << 31)), "train", fps=FPS, duration_s=FRAMES / FPS, kind=kind), width


def path_of(folder: Path, seed: int) -> Path:
    """The file of a session in a folder."""
    return folder / f"session-{seed}.npz"


def kept_sessions(folder: Path, first: int = 0) -> Iterator[KeptSession]:
    """The sessions in a folder, in the order of their seeds from `first` on."""
    seeds = sorted(int(path.stem.partition("-")[2]) for path in folder.glob("session-*.npz"))
    for seed in seeds:
        if seed < first:
            continue
        session, width = training_session(seed)
        with np.load(path_of(folder, seed)) as found:
            yield KeptSession(session, Landmarks(*(found[name] for name in Landmarks.__slots__)), width)
