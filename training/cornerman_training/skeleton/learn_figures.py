"""What tells drawn figures from people, learned from rendered sessions alone.

    python -m cornerman_training.skeleton.learn_figures --rendered DIR --out FILE [--seed N]

A net learns what the estimator shows of a figure in a posture. How far the last seconds of a session usually are from
that is measured with a net that was taught by the other half of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import Tensor, nn

from cornerman_pose.features import FPS
from cornerman_pose.figures import FEWEST, MOMENTS, POSTURE, SHOWN, SPREAD, FigureMeter, mahalanobis, shown_of
from cornerman_training.outputs import check_folder
from cornerman_training.skeleton.dataset import rendered_examples

Floats = NDArray[np.float32]

_WIDTH: Final = 160
_BATCH: Final = 512
_NOISE: Final = 0.1  # added to standardised postures
_RIDGE: Final = 1.0
_SHORTEST: Final = 5 * FPS
_EVERY: Final = 4
"""Frames between two moments that are measured."""

_QUANTILES: Final = (0.75, 0.85)
"""Shares of the time of sessions not learned from, whose distances are the limits."""


class ShownSession(NamedTuple):
    """Postures [T, POSTURE] of a session, and the numbers that show with them [T, SHOWN]."""

    posture: Floats
    shown: Floats


def learn_meter(sessions: Sequence[ShownSession], seed: int, steps: int) -> dict[str, Floats]:
    """Weights of a `FigureMeter`.

    Args:
        sessions: at least two.
        seed: everything follows from it.
        steps: of each of three nets: one of all sessions, two of half of them each.
    """
    torch.manual_seed(seed)
    halves = [_learn_net(sessions[half::2], steps) for half in (0, 1)]
    moments = [list(_moments(halves[number % 2 == 0], one)) for number, one in enumerate(sessions)]
    rows = np.array([row for session in moments for row in session])
    mean, spread = rows.mean(0), rows.std(0) + 1e-3
    correlation = np.cov(((rows - mean) / spread).T)
    weights = _learn_net(sessions, steps) | {
        "moments.mean": mean.astype(np.float32),
        "moments.scale": (1.0 / spread).astype(np.float32),
        "moments.whiten": np.linalg.cholesky(np.linalg.inv(correlation + _RIDGE * np.eye(MOMENTS))).astype(np.float32),
    }
    distances = [mahalanobis(row, weights) for row in rows]
    return weights | {"limits": np.quantile(distances, _QUANTILES).astype(np.float32)}


def _moments(weights: dict[str, Floats], session: ShownSession) -> Iterator[NDArray[np.float64]]:
    meter = FigureMeter(weights)
    state = meter.start()
    for frame, residuals in enumerate(meter.residuals(*session), 1):
        state.add(residuals)
        if frame >= FEWEST and frame % _EVERY == 0:
            yield state.moments()


def _learn_net(sessions: Sequence[ShownSession], steps: int) -> dict[str, Floats]:
    """Mean and spread of what a posture shows, by a Laplace likelihood, since some errors are large."""
    posture, shown = (torch.from_numpy(np.concatenate(column)) for column in zip(*sessions, strict=True))
    posture_mean, posture_scale = posture.mean(0), 1.0 / (posture.std(0) + 0.02)
    shown_mean, shown_scale = shown.mean(0), 1.0 / (shown.std(0) + 1e-3)
    layers = [nn.Linear(POSTURE, _WIDTH), nn.Linear(_WIDTH, _WIDTH), nn.Linear(_WIDTH, 2 * SHOWN)]
    net = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.1)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * (0.5 + 0.5 * float(np.cos(np.pi * step / steps))) + 1e-5
        pick = torch.randint(len(posture), (_BATCH,))
        given = (posture[pick] - posture_mean) * posture_scale
        mean, spread = net(given + _NOISE * torch.randn_like(given)).chunk(2, dim=1)
        spread = spread.clamp(*SPREAD)
        away = (shown[pick] - shown_mean) * shown_scale - mean
        loss = (spread + away.abs() * torch.exp(-spread)).mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    found: dict[str, Tensor] = {
        "posture.mean": posture_mean, "posture.scale": posture_scale,
        "shown.mean": shown_mean, "shown.scale": shown_scale,
    }  # fmt: skip
    for number, layer in enumerate(layers):
        found |= {f"layer{number}.weight": layer.weight.detach().T, f"layer{number}.bias": layer.bias.detach()}
    return {name: np.ascontiguousarray(array.numpy()) for name, array in found.items()}


def shown_sessions(folder: Path) -> list[ShownSession]:
    """The rendered sessions in a folder that show a person long enough.

    Raises:
        ValueError: fewer than two.
    """
    seen = [features[features[:, -1] > 0].astype(np.float32) for features in rendered_examples(folder).features]
    sessions = [ShownSession(*shown_of(features)) for features in seen if len(features) >= _SHORTEST]
    if len(sessions) < 2:
        raise ValueError(f"{len(sessions)} rendered sessions in {folder} show too little of a person: render more")
    return sessions


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rendered", type=Path, required=True, help="folder of rendered sessions; see `rendered`")
    parser.add_argument("--out", type=Path, required=True, help="file for the weights")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=5000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    check_folder(args.out.parent)
    try:
        save_file(learn_meter(shown_sessions(args.rendered), args.seed, args.steps), args.out)
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
