"""Stage 3: trains the temporal head on features over time. Offsets are chosen on the validation split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from cornerman_training.evaluate.temporal import Counts, count
from cornerman_training.gate import gated_actions
from cornerman_training.sampling import SAMPLE_FPS, STRIDE
from cornerman_training.stages.session_heads import SessionHeads, action_loss, session_labels
from cornerman_training.train_log import TrainLog
from mobile_videogpt.head import HeadConfig, TemporalHead

if TYPE_CHECKING:
    from cornerman_training.auxiliary import FrameHeads
    from cornerman_training.features import SessionFeatures
    from cornerman_training.sizes import HeadPlan
    from mobile_videogpt.config import MobileVideoGPTConfig


THRESHOLD, MIN_INTERVAL_S, REPEAT_WINDOW_S = 0.75, 2.0, 2.0
_CHUNK_S = STRIDE / SAMPLE_FPS
_REPORT = 50


class HeadModule(nn.Module):
    """`TemporalHead` with gradients, and auxiliary heads for training."""

    def __init__(self, config: HeadConfig, dropout: float) -> None:
        super().__init__()
        r, h = config.reduced, config.hidden
        self.config = config
        self.mean = nn.Buffer(torch.zeros(config.feature_size))
        self.scale = nn.Buffer(torch.ones(config.feature_size))
        self.cls = nn.Linear(config.cls_width, r)
        self.row = nn.Linear(config.row_width, r)
        self.mix = nn.Linear((config.frames + 1) * r, h)
        self.gru = nn.GRU(h, h, batch_first=True)
        self.out = nn.Linear(2 * h, 3)
        self.auxiliary = SessionHeads(h)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits [B,C,3], the GRU's states [B,C,h] and its inputs [B,C,h] from `features` [B,C,F]."""
        config = self.config
        x = ((features - self.mean) * self.scale).clamp(-8, 8)
        first = F.gelu(self.cls(x[..., : config.cls_width]), approximate="tanh")
        rows = torch.unflatten(x[..., config.cls_width :], -1, (config.frames, config.row_width))
        rest = F.gelu(self.row(self.dropout(rows)), approximate="tanh").flatten(-2)
        mixed = F.gelu(self.mix(self.dropout(torch.cat([first, rest], -1))), approximate="tanh")
        memory, _ = self.gru(self.dropout(mixed))
        logits: Tensor = self.out(torch.cat([self.dropout(memory), mixed], -1))
        return logits, memory, mixed

    def export(self, config: HeadConfig) -> TemporalHead:
        """The same head in plain numpy."""
        state = {k: v.detach().cpu().numpy().astype(np.float32) for k, v in self.state_dict().items()}
        named = {k: v for k, v in state.items() if k.split(".")[0] in ("mean", "scale", "cls", "row", "mix", "out")}
        for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            named[f"gru.{part}"] = state[f"gru.{part}_l0"]
        return TemporalHead(config, named)


def head_config(model: MobileVideoGPTConfig, plan: HeadPlan) -> HeadConfig:
    """Sizes of the head for a model's features."""
    return HeadConfig(
        cls_width=model.video.width,
        frames=model.video.num_frames,
        row_width=model.video.width + model.image.width,
        reduced=plan.reduced,
        hidden=plan.hidden,
        threshold=THRESHOLD,
        min_interval_s=MIN_INTERVAL_S,
        repeat_window_s=REPEAT_WINDOW_S,
    )


def score(head: TemporalHead | NDArray[np.float32], sessions: Sequence[SessionFeatures]) -> Counts:
    """Pooled counts of the feedbacks that pass the gate, whatever their text.

    `head` may be logits of all sessions, concatenated.
    """
    total = Counts()
    for session, probabilities in zip(sessions, probabilities_of(head, sessions), strict=True):
        passed = gated_actions(probabilities, session.pts_s, THRESHOLD, MIN_INTERVAL_S, REPEAT_WINDOW_S)
        truth = [f.time_s for f in session.feedbacks]
        total += count(truth, [t for t, _ in passed], ["x"] * len(truth), ["x"] * len(passed))
    return total


def probabilities_of(
    head: TemporalHead | NDArray[np.float32], sessions: Sequence[SessionFeatures]
) -> list[NDArray[np.float32]]:
    """Probabilities [C,3] of every session."""
    out: list[NDArray[np.float32]] = []
    at = 0
    for session in sessions:
        length = len(session.pts_s)
        if isinstance(head, TemporalHead):
            state, rows = None, []
            for row in session.features:
                p, state = head.step(row, state)
                rows.append(p)
            out.append(np.stack(rows))
        else:
            logits = head[at : at + length]
            raised = np.exp(logits - logits.max(1, keepdims=True))
            out.append((raised / raised.sum(1, keepdims=True)).astype(np.float32))
        at += length
    return out


def choose_offsets(
    logits: NDArray[np.float32], sessions: Sequence[SessionFeatures]
) -> tuple[tuple[float, float, float], float]:
    """Offsets of the logits with the best F-score at the gate's threshold of 0.75, and that score."""
    best, found = -1.0, (0.0, 0.0, 0.0)
    grid = np.arange(-2.0, 4.1, 0.5)
    # 169 pairs; only differences of the three offsets matter, so `next` stays 0.
    for praise in grid:
        for correct in grid:
            offset = np.array([0.0, praise, correct], dtype=np.float32)
            f = score(logits + offset, sessions).f_score
            if f > best:
                best, found = f, (0.0, float(praise), float(correct))
    return found, best


def _batch(
    sessions: Sequence[SessionFeatures], rng: np.random.Generator, size: int, length: int
) -> tuple[Tensor, dict[str, Tensor]]:
    """Draws rows of `length` chunks, filled with sessions from their beginning.

    A window from the middle of a session would have praise due without the repetitions that led to it.
    """
    features: list[NDArray[np.float32]] = []
    labels: dict[str, list[NDArray[np.int64]]] = {}
    for _ in range(size):
        rows: list[NDArray[np.float32]] = []
        columns: dict[str, list[NDArray[np.int64]]] = {}
        while sum(map(len, rows)) < length:
            session = sessions[int(rng.integers(len(sessions)))]
            rows.append(session.features)
            for name, values in session_labels(session).items():
                columns.setdefault(name, []).append(values)
        features.append(np.concatenate(rows)[:length])
        for name, parts in columns.items():
            labels.setdefault(name, []).append(np.concatenate(parts)[:length])
    return torch.from_numpy(np.stack(features)), {k: torch.from_numpy(np.stack(v)) for k, v in labels.items()}


@torch.no_grad()
def _copy_teacher(module: HeadModule, teacher: FrameHeads) -> bool:
    """Initialises the row layer with the teacher's first layer if their sizes agree; returns whether they do.

    The weights of the video tower's half start at zero.
    """
    first = teacher.trunk[0]
    assert isinstance(first, nn.Linear)
    config = module.config
    width = first.in_features
    if config.reduced != first.out_features or config.row_width < width:
        return False
    # The image tower's half of frame 0; all frames have the same mean and scale.
    part = slice(config.cls_width + config.row_width - width, config.cls_width + config.row_width)
    mean, scale = module.mean[part], module.scale[part]
    module.row.weight.zero_()
    module.row.weight[:, -width:] = first.weight / scale.clamp(min=1e-6)
    module.row.bias.copy_(first.bias + first.weight @ mean)
    return True


def _loss(module: HeadModule, features: Tensor, labels: dict[str, Tensor]) -> Tensor:
    logits, memory, mixed = module(features)
    return action_loss(logits, labels["action"]) + module.auxiliary.loss(mixed, memory, labels)


def train_head(
    model: MobileVideoGPTConfig,
    plan: HeadPlan,
    seed: int,
    folder: Path,
    train: Sequence[SessionFeatures],
    validation: Sequence[SessionFeatures],
    teacher: FrameHeads | None = None,
) -> TemporalHead:
    """Trains the head on encoded sessions; writes `folder/head` and returns the best head on `validation`.

    With a `teacher`, the image tower's auxiliary heads of stage 1, the row layer starts as theirs, which was trained on
    a hundred times more people than there are sessions here.
    """
    torch.manual_seed(seed)
    config = head_config(model, plan)
    module = HeadModule(config, plan.dropout)
    every = np.concatenate([s.features for s in train])
    module.mean.copy_(torch.from_numpy(every.mean(0)))
    spread = every.std(0)
    # A feature that was constant in training has no meaning, whatever its later values.
    module.scale.copy_(torch.from_numpy(np.where(spread < 1e-7, 0.0, 1.0 / np.maximum(spread, 1e-3))))
    # One mean and scale for all frames of a chunk, so that a row means the same at every position.
    for table in (module.mean, module.scale):
        rows = table[config.cls_width :].view(config.frames, config.row_width)
        rows.copy_(rows.mean(0, keepdim=True).expand_as(rows).clone())
    # A copied row layer is trained with a twentieth of the rate.
    slow = list(module.row.parameters()) if teacher is not None and _copy_teacher(module, teacher) else []
    chosen_ids = {id(p) for p in slow}
    fast = [p for p in module.parameters() if id(p) not in chosen_ids]
    groups: list[dict[str, object]] = [{"params": fast}, {"params": slow, "lr": plan.learning_rate / 20}]
    optimizer = torch.optim.AdamW(groups, lr=plan.learning_rate, weight_decay=0.05)
    rates = [plan.learning_rate, plan.learning_rate / 20]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, plan.steps, pct_start=0.1)
    log = TrainLog(folder, "head")
    rng = np.random.default_rng(seed)
    length = round(plan.window_s / _CHUNK_S)
    best, chosen = -1.0, module.export(config)
    total = 0.0
    for step in range(1, plan.steps + 1):
        module.train()
        features, labels = _batch(train, rng, plan.batch, length)
        # Noise on each feature's scale, constant over a row's chunks.
        features = features * (1 + 0.05 * torch.randn(features.shape[0], 1, features.shape[2]))
        loss = _loss(module, features, labels)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        total += float(loss.detach()) / _REPORT
        if step % _REPORT == 0 or step == plan.steps:
            report = {"loss": total}
            total = 0.0
            if step % (_REPORT * 4) == 0 or step == plan.steps:
                module.eval()
                with torch.no_grad():
                    logits = [module(torch.from_numpy(s.features)[None])[0][0].numpy() for s in validation]
                offsets, f = choose_offsets(np.concatenate(logits), validation)
                report["validation_f_score"] = f
                if f > best:
                    best, chosen = f, module.export(replace(config, offsets=offsets))
                    chosen.save(folder / "head")
            log.write(step, plan.steps, report)
    log.draw()
    return chosen
