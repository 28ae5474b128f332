"""The streaming objective of stage 4: trains the language half to choose an action after every chunk.

The decider's strategy `llm` reads the same context: the instruction, then for each chunk the image tokens of its newest
frames, its video tokens, and the action that was taken. Taken and due actions differ: a feedback is due at several
chunks but given once, and after it `<next>` is correct.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cornerman_training.sampling import CHUNK, IGNORE, STRIDE
from cornerman_training.stages.head import choose_offsets
from cornerman_training.stages.session_heads import action_labels, action_loss, feedback_windows, session_labels
from mobile_videogpt.config import StreamConfig
from mobile_videogpt.prompts import chat_prompt

if TYPE_CHECKING:
    from cornerman_training.features import SessionFeatures
    from cornerman_training.session_cache import EncodedSession
    from cornerman_training.stages.session_heads import SessionHeads
    from mobile_videogpt.modeling import MobileVideoGPT
    from mobile_videogpt.tokenizer import ChatTokenizer


UNKNOWN_CHUNKS = 24
"""Chunks after a cut whose due action is unknown, because its cause may be before the cut."""

_PROMPTLY = 0.7  # probability that a due feedback is given at its first chunk; else at one of the next


def draw_history(session: SessionFeatures, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draws targets and taken actions, [C] each, of a coach that gives each feedback once, sometimes a little late."""
    due, _ = action_labels(session)
    taken = np.zeros_like(due)
    target = due.copy()
    for _, near in feedback_windows(session):
        at = near[min(int(rng.geometric(_PROMPTLY)) - 1, len(near) - 1)]
        # From its chunk on the feedback is given: afterwards `<next>` is correct.
        taken[at] = due[at]
        target[near[near > at]] = 0
    return target, taken


class StreamingObjective:
    """Action losses of one model over sessions, chunk by chunk."""

    def __init__(self, model: MobileVideoGPT, tokenizer: ChatTokenizer, frames: int) -> None:
        self._vision, self._language = model.require_vision(), model.require_language()
        self._actions = [tokenizer.action_ids[name] for name in model.config.action_tokens]
        self._system, self._tokenizer, self._frames = model.config.system_prompt, tokenizer, frames

    def hidden(
        self, sessions: Sequence[EncodedSession], taken: Sequence[NDArray[np.int64]], first: int, prompt: str
    ) -> Tensor:
        """Last hidden states [B,C,D] after each chunk from `first` on, as far as the shortest session goes."""
        device = self._vision.device
        table = self._language.model.embed_tokens
        start = self._tokenizer.encode(chat_prompt(prompt, system=self._system))
        head = table(torch.tensor(start, device=device))
        chunks = min(len(s.groups) for s in sessions) - first
        rows = []
        for session, actions in zip(sessions, taken, strict=True):
            ids = torch.tensor([self._actions[a] for a in actions[first : first + chunks]], device=device)
            tokens = torch.cat([self._tokens(session, first, chunks), table(ids)[:, None]], 1)
            rows.append(torch.cat([head, tokens.flatten(0, 1)]))
        # One pass over all chunks: causal attention gives each action its own past only.
        hidden = self._language.model(inputs_embeds=torch.stack(rows)).last_hidden_state
        a_chunk = (rows[0].shape[0] - len(head)) // chunks
        asked = len(head) + a_chunk * torch.arange(1, chunks + 1, device=device) - 2  # the token before the action
        out: Tensor = hidden[:, asked]
        return out

    def _tokens(self, session: EncodedSession, first: int, chunks: int) -> Tensor:
        """Image and video tokens [C,n,D] of a session's chunks."""
        device = self._vision.device
        groups = session.groups[first : first + chunks].to(device).float()
        video: Tensor = self._vision.mm_projector(groups.flatten(0, 1))
        video = torch.unflatten(video, 0, groups.shape[:2]).flatten(1, 2)
        if not self._frames:
            return video
        ends = STRIDE * torch.arange(first, first + chunks) + CHUNK
        newest = session.images[ends[:, None] - self._frames + torch.arange(self._frames)]  # [C, frames, P, Wc]
        return torch.cat([self._vision.project_images(newest.to(device).float()).flatten(1, 2), video], 1)

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits of the three actions [B,C,3], float32."""
        out: Tensor = self._language.lm_head(hidden)[..., self._actions].float()
        return out

    def loss(
        self,
        sessions: Sequence[EncodedSession],
        heads: SessionHeads,
        rng: np.random.Generator,
        prompt: str,
        first: int = 0,
    ) -> Tensor:
        """Loss of actions and auxiliary heads over sessions from chunk `first` on; 0 is their beginning."""
        turns = [draw_history(s.session, rng) for s in sessions]
        hidden = self.hidden(sessions, [taken for _, taken in turns], first, prompt)
        last = first + hidden.shape[1]
        labels = [session_labels(s.session) for s in sessions]
        asked = {name: self._stack([row[name][first:last] for row in labels]) for name in labels[0]}
        due = self._stack([target[first:last] for target, _ in turns])
        if first:
            due[:, :UNKNOWN_CHUNKS] = IGNORE
        hidden = hidden.float()
        return action_loss(self.logits(hidden), due) + heads.loss(hidden, hidden, asked)

    def _stack(self, rows: Sequence[NDArray[np.int64]]) -> Tensor:
        return torch.from_numpy(np.stack(rows)).to(self._vision.device)

    @torch.no_grad()
    def calibrate(self, validation: Sequence[EncodedSession], prompt: str) -> tuple[StreamConfig, float]:
        """The stream config with the best offsets on validation sessions, and the F-score there.

        The history before each chunk is a good coach's; in the product it is the model's own.
        """
        rng = np.random.default_rng(0)
        rows = []
        for session in validation:
            _, taken = draw_history(session.session, rng)
            rows.append(self.logits(self.hidden([session], [taken], 0, prompt))[0].cpu().numpy())
        offsets, f_score = choose_offsets(np.concatenate(rows), [s.session for s in validation])
        chunks = max(len(s.groups) for s in validation)
        return StreamConfig(self._frames, chunks, offsets), f_score
