"""The loss of the temporal half: exercise, phase, end, action, and each mistake: whether, how much, can it be seen."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cornerman_training.skeleton.net import Outputs

PARTS = ("exercise", "phase", "end", "action", "wrong", "observable", "measure")
_WEIGHTS = (1.0, 0.6, 1.4, 0.2, 0.8, 0.3, 1.0)

_KEPT = (1.5, 2.0, 1.0, 1.0, 1.0, 0.7, 4.0, 0.7)
"""How much each head counts in `departure`; the channels most, as limits are measured on them."""


def _mean(loss: Tensor, weight: Tensor) -> Tensor:
    return (loss * weight).sum() / weight.sum().clamp_min(1.0)


def losses(out: Outputs, batch: list[Tensor]) -> Tensor:
    """Weighted losses [7] in the order of `PARTS`.

    Args:
        out: heads of the net.
        batch: tensors of `dataset.Examples` without the features.
    """
    exercise, certainty, phase, end, end_weight, excess, measures, observable = batch
    e = F.cross_entropy(out.exercise.transpose(1, 2), exercise, reduction="none", label_smoothing=0.02)
    p = ((out.phase - phase[..., :2]) ** 2).sum(-1)
    n = F.binary_cross_entropy_with_logits(out.end, end, reduction="none", pos_weight=torch.tensor(2.0))
    judged = ~excess.isnan()
    value = excess.nan_to_num(0.0).float()
    seen = observable.float()
    wrong = (value > 0).float()
    # Values next to the limit are neither right nor wrong; a fault that cannot be seen teaches nothing.
    sure = judged * seen * ((value.abs() - 0.5).clamp(0.0, 1.0))
    w = F.binary_cross_entropy_with_logits(out.wrong, wrong, reduction="none", pos_weight=torch.tensor(5.0))
    o = F.binary_cross_entropy_with_logits(out.observable, seen, reduction="none")
    any_wrong = ((value > 1) & judged & (seen > 0)).any(-1)
    action = torch.where(end > 0.5, torch.where(any_wrong, 2, 1), 0)
    a = F.cross_entropy(out.action.transpose(1, 2), action, reduction="none")
    # Laplace: an estimate and its scale; where depth hides a channel the net learns to doubt it.
    doubt = out.doubt.clamp(-4.0, 2.0)
    m = ((out.measure - measures.float()).abs() * torch.exp(-doubt) + doubt).mean(-1)
    moving = 0.3 + 0.7 * phase[..., 2]
    parts = torch.stack(
        [
            _mean(e, certainty),
            _mean(p, phase[..., 2]),
            _mean(n, end_weight),
            _mean(a, end_weight),
            _mean(w, sure),
            _mean(o, judged.float()),
            _mean(m, moving),
        ]
    )
    return parts * torch.tensor(_WEIGHTS)


def departure(out: Outputs, before: Outputs) -> Tensor:
    """How far the heads of a net are from those of the net before, on the same features; 0 where they agree.

    Learning without forgetting (Li and Hoiem, 2016): where it must stay small, a net keeps what it knew.
    """

    def heads(outputs: Outputs) -> Tensor:
        parts = zip(outputs, _KEPT, strict=True)
        return torch.cat([weight * (head if head.dim() == 3 else head[..., None]) for head, weight in parts], dim=-1)

    return F.smooth_l1_loss(heads(out), heads(before), beta=0.5)
