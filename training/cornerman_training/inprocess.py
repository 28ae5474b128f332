"""The trained coach in one process, without bus or services: the model, head, gate and text of the product.

`cornerman evaluate --in-process` and model cards use it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cornerman_training.evaluate.messages import SpokenFeedback, TimedSession
from cornerman_training.gate import CORRECT, gated_actions
from cornerman_training.gym.phrases import PROMPT
from cornerman_training.gym.render import SessionRenderer
from cornerman_training.sampling import CHUNK, SAMPLE_FPS, STRIDE, chunk_ends
from mobile_videogpt.head import TemporalHead
from mobile_videogpt.modeling import MobileVideoGPT

if TYPE_CHECKING:
    from cornerman_training.gym.session import GymSession


PICTURE = 224
MAX_WORDS = 32
_BATCH = 8


@dataclass(frozen=True, slots=True)
class _Chunk:
    """One chunk's tokens as the language half reads them."""

    context: Tensor
    video: Tensor


@dataclass(slots=True)
class Costs:
    """Seconds spent, and numbers of chunks and sentences to divide them by."""

    chunks: int = 0
    encode_s: float = 0.0
    head_s: float = 0.0
    sentences: int = 0
    write_s: float = 0.0
    first_token_s: list[float] = field(default_factory=list)


class InProcessCoach:
    """A coach, loaded from its folder.

    Args:
        folder: as `cornerman_training.export` writes it: the model, and the head in `head/`.
        prompt: the instruction.

    Raises:
        CheckpointError: if a part is missing or damaged.
    """

    def __init__(self, folder: Path, prompt: str = PROMPT) -> None:
        self.model = MobileVideoGPT.from_pretrained(folder, "all")
        self.head = TemporalHead.load(folder / "head")
        self.prompt = prompt
        self.costs = Costs()

    def feedbacks(self, frames: NDArray[np.uint8]) -> list[SpokenFeedback]:
        """The coach's timed feedbacks about frames [T,H,W,3] sampled at `SAMPLE_FPS`."""
        ends = chunk_ends(len(frames))
        chunks: list[_Chunk] = []
        probabilities: list[NDArray[np.float32]] = []
        state: NDArray[np.float32] | None = None
        for first in range(0, len(ends), _BATCH):
            part = ends[first : first + _BATCH]
            began = time.perf_counter()
            batch = torch.from_numpy(np.stack([frames[e - CHUNK + 1 : e + 1] for e in part]))
            tokens = self.model.encode_chunk(batch)
            self.costs.encode_s += time.perf_counter() - began
            chunks += [_Chunk(c, v) for c, v in zip(tokens.context, tokens.video, strict=True)]
            began = time.perf_counter()
            # The head is recurrent: chunks in time order, one state for the session.
            for row in tokens.features.cpu().numpy():
                p, state = self.head.step(row, state)
                probabilities.append(p)
            self.costs.head_s += time.perf_counter() - began
            self.costs.chunks += len(part)
        pts = ends / SAMPLE_FPS
        config = self.head.config
        moments = gated_actions(
            np.stack(probabilities), pts.tolist(), config.threshold, config.min_interval_s, config.repeat_window_s
        )
        out: list[SpokenFeedback] = []
        for at, action in moments:
            number = int(np.searchsorted(pts, at - 1e-6))
            name = "correct" if action == CORRECT else "feedback"
            text = self._generate(chunks[max(0, number - config.context_chunks + 1) : number + 1], number, name)
            out.append(SpokenFeedback(at, text, name))
        return out

    def _generate(self, chunks: list[_Chunk], last: int, action: str) -> str:
        began = time.perf_counter()
        ids = [
            [(last - len(chunks) + 1 + i) * STRIDE + k for k in range(CHUNK)] for i in range(len(chunks))
        ]  # frames by number, so that shared ones count once
        pieces: list[str] = []
        for delta in self.model.generate(chunks, self.prompt, frame_ids=ids, max_new_tokens=MAX_WORDS, action=action):
            if not pieces:
                self.costs.first_token_s.append(time.perf_counter() - began)
            pieces.append(delta.text)
        self.costs.sentences += 1
        self.costs.write_s += time.perf_counter() - began
        return "".join(pieces).strip()


def pictures(session: GymSession, size: int = PICTURE) -> Iterator[NDArray[np.uint8]]:
    """Renders the frames of a session planned at `SAMPLE_FPS`, in the size that capture publishes."""
    renderer = SessionRenderer(session, size, compress=True)
    for k in range(session.frames):
        yield renderer.frame(k)


def as_truth(session: GymSession) -> TimedSession:
    """A session of the gym as the evaluation reads it."""
    said = tuple(SpokenFeedback(f.time_s, f.text, f.action, f.exercise, f.mistake) for f in session.feedbacks)
    return TimedSession(f"{session.split} {session.seed}", session.duration_s, said, session.kind != "exercise")
