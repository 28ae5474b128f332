"""What a listener over time is asked besides its action: what is due, what ended, what was wrong. Targets, and outputs
that are thrown away after training; the head and the language half learn from the same ones.
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
"""A feedback may be said that long before and after its moment."""

ACTION_WEIGHTS = (0.35, 1.2, 1.2)
"""Of `<next>`, `<feedback>` and `<correct>`: most chunks deserve silence."""


class SessionHeads(nn.Module):
    """Linear outputs on what a listener holds in mind.

    Args:
        width: of its memory.
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
        """Of `now` [B,C,h], what it makes of each chunk, and `memory` [B,C,h] of all until then; see `session_labels`."""
        loss = 0.3 * F.cross_entropy(self.activity(now).flatten(0, 1), labels["activity"].flatten())
        loss = loss + 0.3 * F.cross_entropy(self.fault(now).flatten(0, 1), labels["fault"].flatten())
        loss = loss + 0.3 * F.cross_entropy(self.due(memory).flatten(0, 1), labels["due"].flatten())
        if bool((labels["verdict"] != IGNORE).any()):
            judged = self.verdict(memory).flatten(0, 1)
            loss = loss + 0.5 * F.cross_entropy(judged, labels["verdict"].flatten(), ignore_index=IGNORE)
        loss = loss + 0.5 * F.cross_entropy(self.streak(memory).flatten(0, 1), labels["streak"].flatten())
        return loss + 0.3 * F.binary_cross_entropy_with_logits(self.ended(memory)[..., 0], labels["ended"].float())


def action_loss(logits: Tensor, actions: Tensor) -> Tensor:
    """Cross entropy of action logits [B,C,3] against actions [B,C]; `IGNORE` counts for nothing."""
    weight = torch.tensor(ACTION_WEIGHTS, device=logits.device)
    return F.cross_entropy(logits.flatten(0, 1), actions.flatten(), weight=weight, ignore_index=IGNORE)


def session_labels(session: SessionFeatures) -> dict[str, NDArray[np.int64]]:
    """Everything that is asked about each chunk of a session, [C] each."""
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
    """Per chunk: the action due (0 next, 1 feedback, 2 correct), and 1 + index of the mistake it is due for."""
    actions = np.zeros(len(session.pts_s), dtype=np.int64)
    due = np.zeros(len(session.pts_s), dtype=np.int64)
    for f, near in feedback_windows(session):
        actions[near] = CORRECT if session.feedbacks[f].action == "correct" else FEEDBACK
        if session.feedbacks[f].mistake:
            due[near] = 1 + FAULTS.index(f"{session.feedbacks[f].exercise}:{session.feedbacks[f].mistake}")
    return actions, due


def feedback_windows(session: SessionFeatures) -> list[tuple[int, NDArray[np.int64]]]:
    """(number of a feedback, the chunks at which it may be said), for all that have any."""
    pts = session.pts_s
    found = [
        (i, np.flatnonzero((pts >= f.time_s - EARLY_S) & (pts < f.time_s + LATE_S)))
        for i, f in enumerate(session.feedbacks)
    ]
    return [(i, near) for i, near in found if len(near)]


def feedback_moments(sessions: Sequence[EncodedSession], late_s: float, chunks: int) -> list[tuple[int, int, int]]:
    """(session, chunk, feedback) triples: every chunk, with `chunks` of context, at which a feedback could be said."""
    out: list[tuple[int, int, int]] = []
    for s, seen in enumerate(sessions):
        pts: NDArray[np.float32] = seen.watched.pts_s
        for f, feedback in enumerate(seen.watched.feedbacks):
            near = np.flatnonzero((pts >= feedback.time_s - 0.3) & (pts < feedback.time_s + late_s))
            out += [(s, int(c), f) for c in near if c >= chunks - 1]
    return out
