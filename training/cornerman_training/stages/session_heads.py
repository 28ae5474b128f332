"""Auxiliary heads and labels over a session: the feedback due, the end of a repetition, its mistake.

The temporal head and the language half are trained with the same ones; they are not exported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from cornerman_training.gate import CORRECT, FEEDBACK
from cornerman_training.gym.labels import ACTIVITIES, FAULTS, PRAISE_AFTER
from cornerman_training.sampling import IGNORE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cornerman_training.features import SessionFeatures
    from cornerman_training.session_cache import EncodedSession


EARLY_S, LATE_S = 0.3, 0.75
"""Seconds before and after its time in which a feedback counts as due."""

ACTION_WEIGHTS = (0.35, 1.2, 1.2)
"""Loss weights of `<next>`, `<feedback>` and `<correct>`: at most chunks no feedback is due."""


class SessionHeads(nn.Module):
    """Linear heads on the state after each chunk.

    Args:
        width: of the state.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.activity = nn.Linear(width, len(ACTIVITIES))
        self.fault = nn.Linear(width, 1 + len(FAULTS))
        self.ended = nn.Linear(width, 1)
        self.due = nn.Linear(width, 1 + len(FAULTS))
        self.verdict = nn.Linear(width, 1 + len(FAULTS))
        self.streak = nn.Linear(width, PRAISE_AFTER)

    def loss(self, now: Tensor, memory: Tensor, labels: dict[str, Tensor]) -> Tensor:
        """Loss of `now` [B,C,h], from each chunk alone, and `memory` [B,C,h], from all chunks so far.

        Args:
            now: predicts exercise and mistake.
            memory: predicts the other labels.
            labels: [B,C] each, as `session_labels`.
        """
        loss = 0.3 * F.cross_entropy(self.activity(now).flatten(0, 1), labels["activity"].flatten())
        loss = loss + 0.3 * F.cross_entropy(self.fault(now).flatten(0, 1), labels["fault"].flatten())
        loss = loss + 0.3 * F.cross_entropy(self.due(memory).flatten(0, 1), labels["due"].flatten())
        # A mean over no chunk is NaN.
        if bool((labels["verdict"] != IGNORE).any()):
            judged = self.verdict(memory).flatten(0, 1)
            loss = loss + 0.5 * F.cross_entropy(judged, labels["verdict"].flatten(), ignore_index=IGNORE)
        loss = loss + 0.5 * F.cross_entropy(self.streak(memory).flatten(0, 1), labels["streak"].flatten())
        return loss + 0.3 * F.binary_cross_entropy_with_logits(self.ended(memory)[..., 0], labels["ended"].float())


def action_loss(logits: Tensor, actions: Tensor) -> Tensor:
    """Cross entropy of action logits [B,C,3] against actions [B,C]; `IGNORE` has no loss."""
    weight = torch.tensor(ACTION_WEIGHTS, device=logits.device)
    return F.cross_entropy(logits.flatten(0, 1), actions.flatten(), weight=weight, ignore_index=IGNORE)


def session_labels(session: SessionFeatures) -> dict[str, NDArray[np.int64]]:
    """All labels of each chunk of a session, [C] each."""
    actions, due = action_labels(session)
    return {
        "action": actions,
        "due": due,
        "activity": session.activity,
        "fault": session.fault,
        "ended": session.ended.astype(np.int64),
        "verdict": session.verdict,
        "streak": session.streak,
    }


def action_labels(session: SessionFeatures) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Per chunk: the action due (0 next, 1 feedback, 2 correct), and 1 + index of its mistake (0: none)."""
    actions = np.zeros(len(session.pts_s), dtype=np.int64)
    due = np.zeros(len(session.pts_s), dtype=np.int64)
    for f, near in feedback_windows(session):
        actions[near] = CORRECT if session.feedbacks[f].action == "correct" else FEEDBACK
        if session.feedbacks[f].mistake:
            due[near] = 1 + FAULTS.index(f"{session.feedbacks[f].exercise}:{session.feedbacks[f].mistake}")
    return actions, due


def feedback_windows(session: SessionFeatures) -> list[tuple[int, NDArray[np.int64]]]:
    """(index of a feedback, chunks at which it is due), for all feedbacks that have such chunks."""
    pts = session.pts_s
    found = [
        (i, np.flatnonzero((pts >= f.time_s - EARLY_S) & (pts < f.time_s + LATE_S)))
        for i, f in enumerate(session.feedbacks)
    ]
    return [(i, near) for i, near in found if len(near)]


def feedback_moments(sessions: Sequence[EncodedSession], late_s: float, chunks: int) -> list[tuple[int, int, int]]:
    """(session, chunk, feedback) triples: chunks near a feedback's time that have `chunks` chunks of context."""
    out: list[tuple[int, int, int]] = []
    for s, encoded in enumerate(sessions):
        pts: NDArray[np.float32] = encoded.session.pts_s
        for f, feedback in enumerate(encoded.session.feedbacks):
            near = np.flatnonzero((pts >= feedback.time_s - 0.3) & (pts < feedback.time_s + late_s))
            out += [(s, int(c), f) for c in near if c >= chunks - 1]
    return out
