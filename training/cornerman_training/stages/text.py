"""Stage 4: trains the projectors and the language half on the coach's sentences and on action tokens.

Two objectives share it. Text: system prompt, visual tokens, question, action, then the coach's sentence. Streaming,
every few steps: see `cornerman_training.stages.stream`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cornerman_training.evaluate.words import MeaningOf
from cornerman_training.gate import CORRECT, FEEDBACK
from cornerman_training.gym.labels import MISTAKES
from cornerman_training.gym.phrases import PRAISE, PROMPT, meanings, wordings
from cornerman_training.stages.loop import Fit
from cornerman_training.stages.session_heads import SessionHeads, feedback_moments
from cornerman_training.stages.stream import UNKNOWN_CHUNKS, StreamingObjective
from mobile_videogpt.prompts import prompt_ids
from mobile_videogpt.special_tokens import IM_END
from mobile_videogpt.tokenizer import ChatTokenizer

if TYPE_CHECKING:
    from cornerman_training.auxiliary import FrameHeads
    from cornerman_training.gym.coach import TimedFeedback
    from cornerman_training.session_cache import EncodedSession
    from cornerman_training.sizes import TextPlan
    from mobile_videogpt.modeling import MobileVideoGPT


PROMPTS = (
    PROMPT,
    "Coach the exercise: speak only when it helps, and say what to change.",
    "Watch the exercise and give short feedback.",
    "What should I change?",
)
_CUT = 0.3  # probability that a stream begins inside its session, like a context whose oldest chunks were dropped


def training_texts() -> list[str]:
    """Training text of the small tokenizer: prompts and the train split's sentences."""
    texts = [t for e, names in MISTAKES.items() for m in names for t in wordings(e, m, "train")]
    texts += wordings("", PRAISE, "train")
    return [*texts * 4, *PROMPTS, "system\nYou are a fitness coach.", "user\n", "assistant\n"]


def train_tokenizer(vocab_size: int) -> ChatTokenizer:
    """The coach's own tokenizer; the same every time."""
    return ChatTokenizer.train(training_texts(), vocab_size)


class TextObjective:
    """Text losses and replies of one model about moments of sessions."""

    def __init__(self, model: MobileVideoGPT, tokenizer: ChatTokenizer, sessions: Sequence[EncodedSession]) -> None:
        self._vision, self._language = model.require_vision(), model.require_language()
        self._tokenizer, self._sessions = tokenizer, sessions
        self._system = model.config.system_prompt
        end = tokenizer.id_of(IM_END)
        assert end is not None
        self._end = end
        self._device = self._vision.device
        self._actions = [tokenizer.action_ids[name] for name in model.config.action_tokens]

    def visual(self, moments: Sequence[tuple[int, int]], chunks: int) -> Tensor:
        """Visual tokens [B,n,D] of (session, chunk) pairs with `chunks` chunks of context."""
        parts = [self._sessions[s].context(c, chunks) for s, c in moments]
        images = torch.stack([p[0].float() for p in parts]).to(self._device)
        groups = torch.stack([p[1].float() for p in parts]).to(self._device)
        context = self._vision.project_images(images).flatten(1, 2)  # [B, frames * tokens, D]
        video: Tensor = self._vision.mm_projector(groups.flatten(0, 2))
        return torch.cat([context, torch.unflatten(video, 0, groups.shape[:3]).flatten(1, 3)], 1)

    def embed(self, ids: Sequence[int]) -> Tensor:
        """Embeddings [n,D]."""
        table = self._language.model.embed_tokens
        out: Tensor = table(torch.tensor(list(ids), device=self._device, dtype=torch.long))
        return out

    def prompt(self, visual: Tensor, prompt: str, actions: Sequence[int]) -> Tensor:
        """Whole prompts [B,n,D] around the visual tokens, each with its action token."""
        ids = prompt_ids(prompt, self._system, self._tokenizer)
        many = len(visual)
        tokens = self.embed([self._actions[a] for a in actions])[:, None]
        return torch.cat(
            [self.embed(ids.prefix).expand(many, -1, -1), visual, self.embed(ids.suffix).expand(many, -1, -1), tokens],
            1,
        )

    def words_loss(
        self,
        moments: Sequence[tuple[int, int]],
        texts: Sequence[str],
        actions: Sequence[int],
        prompt: str,
        chunks: int,
    ) -> Tensor:
        """Cross entropy of the sentences."""
        start = self.prompt(self.visual(moments, chunks), prompt, actions)
        ids = [[*self._tokenizer.encode_plain(t), self._end] for t in texts]
        longest = max(len(i) for i in ids)
        # -100 is ignored by the loss: it pads replies of different lengths.
        target = torch.full((len(ids), longest), -100, device=self._device)
        for row, i in zip(target, ids, strict=True):
            row[: len(i)] = torch.tensor(i, device=self._device)
        replies = self._language.model.embed_tokens(target.clamp(min=0))
        hidden = self._language.model(
            inputs_embeds=torch.cat([start, replies[:, :-1].to(start.dtype)], 1)
        ).last_hidden_state
        logits = self._language.lm_head(hidden[:, start.shape[1] - 1 :])
        return F.cross_entropy(logits.float().flatten(0, 1), target.flatten(), label_smoothing=0.02, ignore_index=-100)

    @torch.no_grad()
    def generate(
        self, moments: Sequence[tuple[int, int]], actions: Sequence[int], prompt: str, chunks: int, most: int = 24
    ) -> list[str]:
        """Generates greedy sentences for a batch."""
        embeds = self.prompt(self.visual(moments, chunks), prompt, actions)
        ids: list[list[int]] = [[] for _ in moments]
        done = [False] * len(ids)
        for _ in range(most):
            hidden = self._language.model(inputs_embeds=embeds).last_hidden_state[:, -1]
            chosen = self._language.lm_head(hidden).argmax(-1)
            for i, token in enumerate(chosen.tolist()):
                done[i] = done[i] or token == self._end
                if not done[i]:
                    ids[i].append(token)
            if all(done):
                break
            embeds = torch.cat([embeds, self._language.model.embed_tokens(chosen)[:, None]], 1)
        return [self._tokenizer.decode(i) for i in ids]


def _action_of(feedback: TimedFeedback) -> int:
    return CORRECT if feedback.action == "correct" else FEEDBACK


def text_accuracy(
    objective: TextObjective, sessions: Sequence[EncodedSession], chunks: int, most: int = 160
) -> dict[str, float]:
    """Share of sentences about the true mistake at the true times, over corrections and over praise."""
    meaning = MeaningOf(meanings())
    first: dict[tuple[int, int], int] = {}
    for s, c, f in feedback_moments(sessions, 1.0, chunks):
        first.setdefault((s, f), c)
    right: dict[str, list[float]] = {"correction": [], "praise": []}
    wanted = [(s, c, sessions[s].session.feedbacks[f]) for (s, f), c in first.items()][:most]
    for i in range(0, len(wanted), 16):
        part = wanted[i : i + 16]
        texts = objective.generate([(s, c) for s, c, _ in part], [_action_of(f) for *_, f in part], PROMPTS[0], chunks)
        for (*_, truth), text in zip(part, texts, strict=True):
            meant = meaning(text)
            if truth.mistake:
                right["correction"].append(float(meant == (truth.exercise, truth.mistake)))
            else:
                right["praise"].append(float(meant is not None and meant[1] == PRAISE))
    return {k: float(np.mean(v)) for k, v in right.items() if v}


@torch.no_grad()
def copy_trunk(model: MobileVideoGPT, heads: FrameHeads) -> None:
    """Initialises the image projector's first layer with that of the pose heads, if their sizes agree."""
    first, trunk = model.require_vision().image_mm_projector.mlp.mlp[0], heads.trunk[0]
    assert isinstance(first, nn.Linear)
    assert isinstance(trunk, nn.Linear)
    if first.weight.shape == trunk.weight.shape:
        first.weight.copy_(trunk.weight)
        first.bias.copy_(trunk.bias)


def train_text(
    model: MobileVideoGPT,
    tokenizer: ChatTokenizer,
    plan: TextPlan,
    seed: int,
    folder: Path,
    train: Sequence[EncodedSession],
    validation: Sequence[EncodedSession],
    teacher: FrameHeads | None = None,
) -> MobileVideoGPT:
    """Trains, or continues, stage 4 in `folder`; the towers are frozen. Returns the model.

    Raises:
        ValueError: if the sessions have no correction or no praise, or the checkpoint is damaged.
    """
    torch.manual_seed(seed + 2)
    vision = model.require_vision()
    for tower in (vision.vision_tower, vision.image_vision_tower):
        tower.requires_grad_(False)
    trained = nn.ModuleList([vision.mm_projector, vision.image_mm_projector, model.require_language()])
    heads = SessionHeads(model.config.language.width).to(vision.device)
    fit = Fit("text", folder, trained, heads, plan)
    if teacher is not None and not fit.continued:
        copy_trunk(model, teacher)
    text, stream = TextObjective(model, tokenizer, train), StreamingObjective(model, tokenizer, plan.stream_frames)
    found = feedback_moments(train, 1.0, plan.chunks)
    feedback_of = [train[s].session.feedbacks[f] for s, _, f in found]
    corrections = [i for i, f in enumerate(feedback_of) if f.mistake]
    praises = [i for i, f in enumerate(feedback_of) if not f.mistake]
    if not corrections or not praises:
        raise ValueError(
            f"{len(train)} sessions hold {len(corrections)} corrections and {len(praises)} praises; give more sessions"
        )
    rng = np.random.default_rng([seed, fit.step, 2])

    def losses(step: int) -> dict[str, Tensor]:
        picks = [int(rng.choice(corrections if rng.uniform() < 0.75 else praises)) for _ in range(plan.batch)]
        texts = []
        for i in picks:
            choices = wordings(feedback_of[i].exercise, feedback_of[i].mistake or PRAISE, "train")
            texts.append(choices[int(rng.integers(len(choices)))])
        actions = [_action_of(feedback_of[i]) for i in picks]
        # Mostly the product's prompt and full context; sometimes another prompt or fewer chunks.
        prompt = PROMPTS[0] if rng.uniform() < 0.7 else PROMPTS[int(rng.integers(len(PROMPTS)))]
        chunks = plan.chunks if rng.uniform() < 0.9 else int(rng.integers(1, plan.chunks + 1))
        with torch.autocast(vision.device.type, torch.bfloat16, enabled=plan.bf16):
            out = {"words": text.words_loss([found[i][:2] for i in picks], texts, actions, prompt, chunks)}
            if step % plan.stream_every == 0:
                some = [train[int(rng.integers(len(train)))] for _ in range(plan.stream_batch)]
                latest = min(len(encoded.groups) for encoded in some) - UNKNOWN_CHUNKS - 4
                cut = int(rng.integers(1, latest)) if latest > 1 and rng.uniform() < _CUT else 0
                out["stream"] = stream.loss(some, heads, rng, PROMPTS[0], cut)
        return out

    def score() -> dict[str, float]:
        words = text_accuracy(TextObjective(model, tokenizer, validation), validation, plan.chunks)
        return words | {"stream_f_score": stream.calibrate(validation, PROMPTS[0])[1]}

    fit.run(losses, score)
    config, _ = stream.calibrate(validation, PROMPTS[0])
    model.config = replace(model.config, stream=config)
    return model
