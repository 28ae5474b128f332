"""Train the temporal half: `python -m cornerman_training.skeleton.train --out DIR --seed N [--smoke]`."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from torch import Tensor

from cornerman_pose.temporal import TemporalNet
from cornerman_training.outputs import check_folder
from cornerman_training.skeleton.calibrate import calibrate
from cornerman_training.skeleton.card import write_card
from cornerman_training.skeleton.dataset import (
    Examples,
    batches,
    draw_examples,
    imitated_examples,
    rendered_examples,
)
from cornerman_training.skeleton.imitation import Imitator
from cornerman_training.skeleton.kept_sessions import kept_sessions
from cornerman_training.skeleton.net import WIDTH, Outputs, SkeletonNet, restore, weights, widened
from cornerman_training.skeleton.objective import PARTS, departure, losses
from cornerman_training.skeleton.timing import FRAMES


@dataclass(frozen=True, slots=True)
class TrainPlan:
    """How long and on how much; everything else follows from the seed."""

    steps: int = 12000
    batch: int = 16
    window: int = 128
    worlds_first: int = 200
    worlds_most: int = 2000
    fresh: int = 4  # worlds drawn every `every` steps
    every: int = 8
    rate: float = 3e-3
    rendered: int = 4  # of a batch, where rendered sessions are given
    imitated: int = 0  # of a batch: the gym's sessions with errors as of rendered ones
    gym: int = 0  # of a batch: the gym's sessions with drawn errors
    sessions: int = 3000  # that are imitated
    error_steps: int = 700  # to learn the errors
    width: int = WIDTH
    keep: float = 0.0  # weight of agreeing with the weights gone on from; 0 = drawn examples teach their labels
    decay: float = 0.02
    share: float = 1.0  # of the way from the weights gone on from to those found (WiSE-FT; Wortsman et al., 2022)
    check: int = 32  # validation worlds
    calibrate: int = 400  # fresh worlds for the probabilities of mistakes
    option: str = ""  # of the command line, that names the plan

    @property
    def labelled(self) -> int:
        """Examples of a batch that teach their labels, where the others keep what was known."""
        return self.rendered + self.imitated + self.gym


SMOKE = TrainPlan(
    steps=260, batch=16, worlds_first=120, worlds_most=300, fresh=4, every=6, check=12, calibrate=60, option="smoke"
)

KEEPING = TrainPlan(
    steps=11000,
    worlds_first=400,
    worlds_most=800,
    rate=2.5e-3,
    rendered=8,
    keep=30.0,
    decay=0.0,
    share=0.85,
    option="keep",
)
"""Learns how the estimator sees drawn figures, and keeps what was known of people."""

WIDE = replace(
    KEEPING, steps=12000, batch=24, rate=2e-3, imitated=3, gym=1, width=160, keep=12.0, share=1.0, option="wide"
)
"""The same with a wider net and many more sessions, whose errors are learned from the rendered ones."""

DRAWN = replace(WIDE, steps=8000, batch=16, rate=1e-3, imitated=4, width=128, keep=30.0, option="drawn")
"""Begins an expert for drawn figures: learns more of them, and still keeps what was known."""

ALONE = replace(DRAWN, steps=10000, rate=2e-3, keep=0.0, option="alone")
"""After it: nothing is kept; three of a batch have drawn errors, as someone may be taken for a figure."""

PLANS = (TrainPlan(), SMOKE, KEEPING, WIDE, DRAWN, ALONE)

_KEPT_GYM = 0.15  # share of the gym's own sessions among examples that keep
_FIRST_IMITATED = 10000  # seed; rendered sessions have lower ones


class Pool:
    """A ring of sequences as tensors; old ones give way to fresh ones. Beside it fixed ones, which stay.

    Args:
        seed: everything follows from it.
        plan: sizes.
        fixed: examples, and how many of them are in a batch, after those of the ring.
        draw: makes the ring's examples of so many worlds.
    """

    def __init__(
        self,
        seed: int,
        plan: TrainPlan,
        fixed: Sequence[tuple[int, Examples]] = (),
        draw: Callable[[Generator, int], Examples] = draw_examples,
    ) -> None:
        self.fixed = [(rows, _tensors(examples)) for rows, examples in fixed if rows]
        self.rng = np.random.default_rng([seed, 1])
        self.plan, self._draw = plan, draw
        self.size, self.at = 0, 0
        self.data: list[Tensor] = []
        while self.size < 2 * plan.worlds_first:
            self.refresh(20)

    def refresh(self, worlds: int) -> None:
        """Add `worlds` sessions of two views each."""
        new = _tensors(self._draw(self.rng, worlds))
        if not self.data:
            self.data = [torch.empty((2 * self.plan.worlds_most, *a.shape[1:]), dtype=a.dtype) for a in new]
        slots = (self.at + torch.arange(len(new[0]))) % len(self.data[0])
        for old, a in zip(self.data, new, strict=True):
            old[slots] = a
        self.at = int(slots[-1]) + 1
        self.size = min(self.size + len(slots), len(self.data[0]))

    def batch(self) -> list[Tensor]:
        """Random windows; three in ten begin where the sequence begins, with unsettled features."""
        fixed = [examples for rows, examples in self.fixed for _ in range(rows)]
        most = max([self.size, *(len(examples[0]) for examples in fixed)])
        pick = self.rng.integers(most, size=self.plan.batch)
        start = self.rng.integers(FRAMES - self.plan.window + 1, size=self.plan.batch)
        start[self.rng.uniform(size=self.plan.batch) < 0.3] = 0
        last = self.plan.batch - len(fixed)
        where = [(self.data, int(i) % self.size) for i in pick[:last]]
        where += [(examples, int(i) % len(examples[0])) for examples, i in zip(fixed, pick[last:], strict=True)]
        return [
            torch.stack([each[k][i, s : s + self.plan.window] for (each, i), s in zip(where, start, strict=True)])
            for k in range(len(self.data))
        ]


def _tensors(examples: Examples) -> list[Tensor]:
    return [torch.from_numpy(np.ascontiguousarray(a)) for a in examples.arrays()]


def _follow(slow: Sequence[Tensor], fast: Sequence[Tensor], count: Tensor | int) -> None:
    """Exponential moving average of the weights."""
    torch._foreach_lerp_(list(slow), list(fast), 0.005)


def _validate(net: SkeletonNet, held: list[Tensor]) -> dict[str, float]:
    net.eval()
    with torch.no_grad():
        out = net(held[0].float())
        parts = losses(out, held[1:])
        sure = held[2] > 0.9
        right = (out.exercise.argmax(-1) == held[1])[sure].float().mean()
        judged = (~held[6].isnan()) & (held[8] > 0) & (held[6].float().nan_to_num().abs() > 1)
        guess = ((out.wrong > 0) == (held[6] > 0))[judged]
        wrong = (held[6] > 0)[judged]
    net.train()
    return {
        "loss": float(parts.sum()),
        **{n: float(v) for n, v in zip(PARTS, parts, strict=True)},
        "exercise_accuracy": float(right),
        "mistake_recall": float(guess[wrong].float().mean()),
        "good_recall": float(guess[~wrong].float().mean()),
    }


def batch_loss(net: SkeletonNet, known: SkeletonNet | None, batch: list[Tensor], plan: TrainPlan) -> Tensor:
    """Of a batch whose last `plan.labelled` rows teach their labels, where `known` is what the net must keep."""
    features, *targets = batch
    features = features.float()
    if known is None:
        return losses(net(features), targets).sum()
    drawn = plan.batch - plan.labelled
    out = net(features)
    with torch.no_grad():
        before = known(features[:drawn])
    new = losses(Outputs(*(head[drawn:] for head in out)), [target[drawn:] for target in targets]).sum()
    return new + plan.keep * departure(Outputs(*(head[:drawn] for head in out)), before)


def _pool(seed: int, plan: TrainPlan, rendered: Path | None) -> Pool:
    """The examples of a plan; those that keep are seen as drawn figures and as people are, and between the two."""
    if rendered is None:
        return Pool(seed, plan)
    fixed = [(plan.rendered, rendered_examples(rendered))]
    draw: Callable[[Generator, int], Examples] = draw_examples
    if plan.gym:
        fixed.append((plan.gym, draw_examples(np.random.default_rng([seed, 5]), plan.worlds_first, gym=1.0)))
    if plan.imitated:
        imitator = Imitator.learn(list(kept_sessions(rendered)), plan.error_steps)
        seeds = range(_FIRST_IMITATED, _FIRST_IMITATED + plan.sessions)
        fixed.append((plan.imitated, imitated_examples(imitator.imitate, seeds)))
        draw = partial(draw_examples, gym=_KEPT_GYM, see=imitator.between)
    return Pool(seed, plan, fixed, draw)


def train(
    out: Path, seed: int, plan: TrainPlan, start: Path | None = None, rendered: Path | None = None
) -> dict[str, float]:
    """Train, and write `temporal.safetensors`, `log.jsonl` and `MODEL_CARD.md`; returns the last validation scores.

    Args:
        out: folder for them.
        seed: everything follows from it, the plan and the start.
        plan: how long and on how much.
        start: weights to go on from; those of the seed when None.
        rendered: folder of rendered sessions to mix in; none when None.

    Raises:
        ValueError: the folder `rendered` holds none, the plan keeps or imitates without a start or rendered sessions,
            or `start` has more channels than the plan.
    """
    if (plan.keep or plan.imitated) and (start is None or rendered is None):
        raise ValueError("this plan goes on from weights with rendered sessions: give both, start and rendered")
    check_folder(out)
    torch.manual_seed(seed)
    began, cpu = time.monotonic(), time.process_time()
    pool = _pool(seed, plan, rendered)
    held = _tensors(draw_examples(np.random.default_rng([seed, 2]), plan.check))
    net = SkeletonNet(plan.width)
    some = pool.data[0][: pool.size : 3].float().reshape(-1, pool.data[0].shape[-1])
    net.mean.copy_(some.mean(0))
    net.scale.copy_(1 / some.std(0).clamp_min(0.05))
    known: SkeletonNet | None = None
    first: Mapping[str, NDArray[np.float32]] = {}
    if start is not None:
        given = widened(load_file(start), plan.width)
        restore(net, given)
        first = given
        if plan.keep:
            known = deepcopy(net).eval()
    average = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=_follow, use_buffers=True)
    optimizer = torch.optim.AdamW(net.parameters(), lr=plan.rate, weight_decay=plan.decay)
    scores: dict[str, float] = {}
    with (out / "log.jsonl").open("w", encoding="utf-8") as log:
        for step in range(plan.steps):
            share = step / plan.steps
            rate = plan.rate * min(1.0, (step + 1) / 50) * (0.5 + 0.5 * float(np.cos(np.pi * share))) + 2e-5
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss = batch_loss(net, known, pool.batch(), plan)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            average.update_parameters(net)
            if step % plan.every == 0:
                pool.refresh(plan.fresh)
            if (step + 1) % 400 == 0 or step + 1 == plan.steps:
                model = average.module
                assert isinstance(model, SkeletonNet)
                scores = _validate(model, held)
                wall_s = round(time.monotonic() - began, 1)
                cpu_s = round(time.process_time() - cpu, 1)
                row = {"step": step + 1, "wall_s": wall_s, "cpu_s": cpu_s}
                row |= {k: round(v, 4) for k, v in scores.items()}
                log.write(json.dumps(row) + "\n")
                log.flush()
                print(json.dumps(row), flush=True)
                save_file(weights(model), out / "temporal.safetensors")
    settled = average.module
    assert isinstance(settled, SkeletonNet)
    final = weights(settled)
    if first and plan.share < 1:
        final = {name: first[name] + np.float32(plan.share) * (final[name] - first[name]) for name in final}
        restore(settled, final)
        scores = _validate(settled, held)
    calibration, areas = calibrate(TemporalNet(final), batches(np.random.default_rng([seed, 3]), plan.calibrate))
    # What is gone on from keeps its probabilities, and with them all thresholds.
    final["calibration"] = first.get("calibration", calibration)
    save_file(final, out / "temporal.safetensors")
    write_card(
        out / "MODEL_CARD.md",
        seed,
        asdict(plan if rendered else replace(plan, rendered=0)),
        {**scores, **{f"ROC area of {k}": v for k, v in areas.items()}},
        time.process_time() - cpu,
        sum(p.numel() for p in net.parameters()),
    )
    return scores


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for weights, log and model card")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=Path, help="go on from these weights instead of from the seed's")
    parser.add_argument("--rendered", type=Path, help="folder of rendered sessions to mix in; see `rendered`")
    plans = parser.add_mutually_exclusive_group()
    plans.add_argument("--smoke", action="store_true", help="a short run that shows that everything works")
    plans.add_argument(
        "--keep", action="store_true", help="learn from the rendered sessions, and keep what the start says of others"
    )
    plans.add_argument("--wide", action="store_true", help="as --keep, with a wider net and imitated sessions too")
    plans.add_argument("--drawn", action="store_true", help="as --wide, to begin an expert for drawn figures")
    plans.add_argument("--alone", action="store_true", help="after --drawn: nothing is kept")
    parser.add_argument("--rate", type=float, help="other than the plan's greatest step size")
    parser.add_argument("--steps", type=int, help="other than the plan's number of steps")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    plan = next((plan for plan in PLANS if plan.option and getattr(args, plan.option)), TrainPlan())
    if args.steps:
        plan = replace(plan, steps=args.steps)
    if args.rate:
        plan = replace(plan, rate=args.rate)
    try:
        train(args.out, args.seed, plan, args.start, args.rendered)
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
