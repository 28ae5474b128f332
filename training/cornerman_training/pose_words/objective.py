"""Losses of the words on skeletons: replies about moments of sessions, and an action after every chunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor

from cornerman_pose.landmarks import CHUNK_FRAMES
from cornerman_training.gym.phrases import PROMPT
from cornerman_training.pose_words.lessons import (
    CONTEXT,
    Fault,
    Lesson,
    LessonScene,
    asked,
    random_scene,
    spoken,
    with_bad_view,
    with_count,
    with_others,
)
from cornerman_training.pose_words.wordings import PROMPTS
from cornerman_training.sampling import STRIDE
from cornerman_training.stages.session_heads import action_loss
from mobile_videogpt.prompts import chat_prompt, prompt_ids
from mobile_videogpt.special_tokens import IM_END

if TYPE_CHECKING:
    from cornerman_training.pose_words.projector import JointProjector
    from cornerman_training.pose_words.sessions import JointSession
    from mobile_videogpt.modeling import MobileVideoGPT
    from mobile_videogpt.tokenizer import ChatTokenizer

ASKED = 0.4
"""Share of questions among the lessons."""

STREAM_CHUNKS = 48
STREAM_FRAMES = 4


@dataclass(frozen=True, slots=True)
class Moment:
    """A lesson about the `CONTEXT` chunks of a session that end with `chunk`; no session: about its facts alone."""

    session: JointSession | None
    chunk: int
    lesson: Lesson


class PoseWordsObjective:
    """Losses and replies of a projector and a language half."""

    def __init__(self, model: MobileVideoGPT, tokenizer: ChatTokenizer, projector: JointProjector) -> None:
        self._language, self._projector, self._tokenizer = model.require_language(), projector, tokenizer
        self._system = model.config.system_prompt
        self._actions = [tokenizer.action_ids[name] for name in model.config.action_tokens]
        end = tokenizer.id_of(IM_END)
        assert end is not None
        self._end = end

    def visual(self, moments: Sequence[Moment]) -> Tensor:
        """Visual tokens [B, n, D] as the product joins them: each frame once, then every chunk's video tokens.

        Only moments with a session have any.
        """
        found = [(one.session, one.chunk - CONTEXT + 1) for one in moments if one.session is not None]
        parts = [session.chunk_features(first, CONTEXT) for session, first in found]
        context, video = self._projector(torch.from_numpy(np.stack(parts)).flatten(0, 1))
        context = torch.unflatten(context, 0, (len(parts), CONTEXT))  # [B, chunks, 8, D]
        first, fresh = context[:, 0], context[:, 1:, CHUNK_FRAMES - STRIDE :]
        videos = torch.unflatten(video, 0, (len(parts), CONTEXT)).flatten(1, 2)
        return torch.cat([first, fresh.flatten(1, 2), videos], 1)

    def words_loss(self, moments: Sequence[Moment]) -> Tensor:
        """Cross entropy of the replies."""
        pictured = any(one.session is not None for one in moments)
        visual, rows, targets = iter(self.visual(moments) if pictured else ()), [], []
        for one in moments:
            prefix, suffix = self._around(one)
            reply = [*self._tokenizer.encode_plain(one.lesson.reply), self._end]
            seen = [] if one.session is None else [next(visual)]
            rows.append(torch.cat([self._embed(prefix), *seen, self._embed([*suffix, *reply[:-1]])]))
            targets.append(torch.tensor([-100] * (len(rows[-1]) - len(reply)) + reply))
        longest = max(len(row) for row in rows)
        # Padded behind: causal attention never looks there.
        embeds = torch.stack([F.pad(row, (0, 0, 0, longest - len(row))) for row in rows])
        target = torch.stack([F.pad(row, (0, longest - len(row)), value=-100) for row in targets])
        hidden = self._language.model(inputs_embeds=embeds).last_hidden_state
        asked_for = target >= 0
        logits = self._language.lm_head(hidden[asked_for]).float()
        return F.cross_entropy(logits, target[asked_for], label_smoothing=0.02)

    def stream_loss(self, sessions: Sequence[JointSession], rng: Generator) -> Tensor:
        """Loss of the actions after every chunk, each given the past of a coach who speaks when it is due."""
        start = self._embed(self._tokenizer.encode(chat_prompt(PROMPT, system=self._system)))
        rows, due = [], []
        for session in sessions:
            target, taken = _history(session.due[:STREAM_CHUNKS], rng)
            context, video = self._projector(torch.from_numpy(session.chunk_features(0, STREAM_CHUNKS)))
            actions = self._embed([self._actions[int(action)] for action in taken])[:, None]
            rows.append(torch.cat([start, torch.cat([context[:, -STREAM_FRAMES:], video, actions], 1).flatten(0, 1)]))
            due.append(torch.from_numpy(target))
        hidden = self._language.model(inputs_embeds=torch.stack(rows)).last_hidden_state
        a_chunk = (rows[0].shape[0] - len(start)) // STREAM_CHUNKS
        at = len(start) + a_chunk * torch.arange(1, STREAM_CHUNKS + 1) - 2  # the token before the action
        logits = self._language.lm_head(hidden[:, at])[..., self._actions].float()
        return action_loss(logits, torch.stack(due))

    @torch.no_grad()
    def reply(self, moment: Moment, most: int = 24) -> str:
        """The greedy reply."""
        prefix, suffix = self._around(moment)
        embeds = torch.cat([self._embed(prefix), self.visual([moment])[0], self._embed(suffix)])[None]
        ids: list[int] = []
        while len(ids) < most:
            hidden = self._language.model(inputs_embeds=embeds).last_hidden_state[:, -1]
            token = int(self._language.lm_head(hidden).argmax())
            if token == self._end:
                break
            ids.append(token)
            embeds = torch.cat([embeds, self._embed([token])[None]], 1)
        return self._tokenizer.decode(ids)

    def _around(self, moment: Moment) -> tuple[list[int], list[int]]:
        ids = prompt_ids(moment.lesson.prompt, self._system, self._tokenizer)
        return list(ids.prefix), [*ids.suffix, self._actions[moment.lesson.action]]

    def _embed(self, ids: Sequence[int]) -> Tensor:
        out: Tensor = self._language.model.embed_tokens(torch.tensor(list(ids), dtype=torch.long))
        return out


def draw_moment(rng: Generator, sessions: Sequence[JointSession]) -> Moment:
    """A moment with a lesson: mostly the end of a repetition, sometimes facts of their own, or no exercise."""
    session = sessions[int(rng.integers(len(sessions)))]
    kind = rng.uniform()
    ends = [end for end in session.ends if not (end.unclear and not end.mistakes)]
    if kind < 0.55 and ends:
        wrong = [end for end in ends if end.mistakes]
        end = wrong[int(rng.integers(len(wrong)))] if wrong and rng.uniform() < 0.6 else ends[rng.integers(len(ends))]
        chunk = session.chunk_after(end.frame) + int(rng.integers(2))
        faults = tuple(Fault(name) for name in end.mistakes[:2])
        scene = LessonScene(end.exercise, end.count, faults)
        scene = scene if rng.uniform() < 0.3 else with_count(rng, scene)
        told = rng.uniform() < 0.8
    else:
        chunk = int(rng.integers(CONTEXT - 1, session.chunks))
        scene, told = random_scene(rng), True
        if kind > 0.92:
            scene = LessonScene()
    chunk = int(np.clip(chunk, CONTEXT - 1, session.chunks - 1))
    if told and rng.uniform() < 0.15:
        scene = with_bad_view(rng, scene)
    elif told and scene.exercise and rng.uniform() < 0.1:
        scene = with_others(rng, scene)
    if not scene.exercise and not scene.blind:
        return Moment(session, chunk, asked(rng, scene))
    question = told and rng.uniform() < ASKED
    return Moment(session, chunk, asked(rng, scene) if question else spoken(rng, scene, told=told))


def facts_alone(rng: Generator) -> Moment:
    """A short lesson without a picture: most of the words follow from the facts, and these steps cost a third."""
    scene = random_scene(rng)
    kind = rng.uniform()
    if kind < 0.25:
        scene = with_bad_view(rng, scene)
    elif kind < 0.45:
        scene = with_others(rng, scene)
    question = rng.uniform() < ASKED or not (scene.exercise or scene.blind)
    return Moment(None, 0, asked(rng, scene) if question else spoken(rng, scene, prompt=PROMPTS[-1]))


def _history(due: np.ndarray, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Targets and taken actions [C]: each due feedback is given once, sometimes a chunk late; then silence is due."""
    target, taken = due.copy(), np.zeros_like(due)
    for first in np.flatnonzero((due > 0) & (np.concatenate([[0], due[:-1]]) == 0)):
        last = first
        while last + 1 < len(due) and due[last + 1] > 0:
            last += 1
        at = int(min(first + (rng.uniform() > 0.7), last))
        taken[at] = due[at]
        target[at + 1 : last + 1] = 0
    return target, taken
