"""The training loop of stages 1, 2 and 4: learning rate, steps, log, checkpoints, resuming."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from cornerman_training.checkpoints import load_state, save_state
from cornerman_training.train_log import TrainLog

_REPORT = 50
_LAST_RATE = 0.02


class FitPlan(Protocol):
    """The part of a stage's plan that the loop reads."""

    @property
    def steps(self) -> int:
        """Steps in all."""

    @property
    def learning_rate(self) -> float:
        """The peak learning rate."""

    @property
    def warmup(self) -> int:
        """Steps until the peak."""

    @property
    def weight_decay(self) -> float:
        """Weight decay of matrices."""

    @property
    def checkpoint_s(self) -> float:
        """Seconds between checkpoints."""


def rate_at(step: int, steps: int, warmup: int) -> float:
    """Factor of the learning rate: linear warm-up to 1, then a cosine down to 1/50."""
    if step < warmup:
        return (step + 1) / warmup
    share = min(1.0, (step - warmup) / max(1, steps - warmup))
    return _LAST_RATE + (1 - _LAST_RATE) * 0.5 * (1 + math.cos(math.pi * share))


def parameter_groups(module: nn.Module, decay: float) -> list[dict[str, object]]:
    """Parameter groups with weight decay for matrices only."""
    named = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
    # No decay for biases, norms, Mamba's A, and tables of positions and tokens.
    plain = [p for n, p in named if p.ndim < 2 or "A_" in n or "embed" in n or "token" in n]
    chosen = {id(p) for p in plain}
    return [
        {"params": [p for _, p in named if id(p) not in chosen], "weight_decay": decay},
        {"params": plain, "weight_decay": 0.0},
    ]


class Fit:
    """Trains one stage; its state is in `folder/NAME.pt`.

    Args:
        name: of the stage.
        folder: of the run.
        model: the module that the stage trains.
        extra: heads that are trained with it and not exported; may be empty.
        plan: number of steps and learning rate.

    Raises:
        ValueError: if the checkpoint in `folder` is damaged.
    """

    def __init__(self, name: str, folder: Path, model: nn.Module, extra: nn.Module, plan: FitPlan) -> None:
        self.name, self.plan, self.step = name, plan, 0
        self._model, self._extra, self._path, self._folder = model, extra, folder / f"{name}.pt", folder
        self._both = nn.ModuleList([model, extra])
        self._optimizer = torch.optim.AdamW(
            parameter_groups(self._both, plan.weight_decay), lr=plan.learning_rate, betas=(0.9, 0.98)
        )
        state = load_state(self._path)
        self.continued = state is not None
        if state is not None:
            model.load_state_dict(state["model"])
            extra.load_state_dict(state["extra"])
            self._optimizer.load_state_dict(state["optimizer"])
            self.step = state["step"]

    def run(
        self,
        losses: Callable[[int], dict[str, Tensor]],
        score: Callable[[], dict[str, float]],
        score_every: int = 8 * _REPORT,
    ) -> None:
        """Trains until the plan's last step; `losses` gives the terms of one step, `score` the validation scores."""
        plan = self.plan
        if self.step >= plan.steps:
            return
        log = TrainLog(self._folder, self.name)
        saved = reported = time.monotonic()
        sums: dict[str, list[float]] = {}
        since = self.step
        while self.step < plan.steps:
            for group in self._optimizer.param_groups:
                group["lr"] = plan.learning_rate * rate_at(self.step, plan.steps, plan.warmup)
            terms = losses(self.step)
            self._optimizer.zero_grad(set_to_none=True)
            # One backward pass over the sum; the terms are logged apart.
            torch.autograd.backward(torch.stack(list(terms.values())).sum())
            nn.utils.clip_grad_norm_(self._both.parameters(), 1.0)
            self._optimizer.step()
            self.step += 1
            for name, value in terms.items():
                sums.setdefault("loss_" + name, []).append(float(value.detach()))
            if self.step % _REPORT == 0 or self.step == plan.steps:
                report = {name: sum(values) / len(values) for name, values in sums.items()}
                now = time.monotonic()
                report["steps_per_s"] = (self.step - since) / (now - reported)
                if self.step % score_every == 0 or self.step == plan.steps:
                    report |= {"val_" + name: value for name, value in score().items()}
                log.write(self.step, plan.steps, report)
                sums, since, reported = {}, self.step, time.monotonic()
            if time.monotonic() - saved > plan.checkpoint_s:
                saved = time.monotonic()
                self._save()
        self._save()
        log.draw()

    def _save(self) -> None:
        save_state(
            self._path,
            {
                "step": self.step,
                "model": self._model.state_dict(),
                "extra": self._extra.state_dict(),
                "optimizer": self._optimizer.state_dict(),
                "best": 0.0,
            },
        )


def mean_scores(rows: list[dict[str, float]]) -> dict[str, float]:
    """Mean of every score over the batches in which it is finite; scores without a value are left out."""
    known = {name: [row[name] for row in rows if math.isfinite(row[name])] for name in rows[0]}
    return {name: float(np.mean(values)) for name, values in known.items() if values}
