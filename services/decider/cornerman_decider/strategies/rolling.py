"""The language half of Mobile-VideoGPT as an `ActionModel`: one rolling key-value cache a source.

The only file of the decider that imports torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from cornerman_decider.strategy import StrategyError
from mobile_videogpt import MobileVideoGPT
from mobile_videogpt.errors import ModelError, ReplyError
from mobile_videogpt.prompts import chat_prompt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cornerman_decider.strategies.llm import TokenContext
    from mobile_videogpt.rolling import RollingSession

WINDOW_TOKENS = 4096
"""Tokens of context, for a model whose config does not give the number of chunks it was trained with."""


class RollingActionModel:
    """Opens rolling contexts on one loaded model.

    Args:
        model: with its language half and a tokenizer that has the action tokens.
        window: tokens of context at most, if the model's config does not give the number of chunks it was trained
            with; the prompt at the start is never dropped.
    """

    def __init__(self, model: MobileVideoGPT, window: int = WINDOW_TOKENS) -> None:
        self._model = model
        self._window = window

    @property
    def frames(self) -> int:
        """Newest frames of each chunk whose image tokens it reads."""
        return self._model.config.stream.frames

    @classmethod
    def load(cls, path: str, device: torch.device, dtype: torch.dtype) -> RollingActionModel:
        """Reads the language half.

        Raises:
            StrategyError: it cannot be read.
        """
        try:
            return cls(MobileVideoGPT.from_pretrained(path, part="language", dtype=dtype, device=device))
        except (ModelError, OSError, ValueError) as error:
            raise StrategyError(f"strategy llm: generator.model = {path!r} cannot be loaded: {error}") from error

    def open(self, prompt: str) -> TokenContext:
        """A context that begins with the system prompt and the user's prompt, which are never dropped.

        Raises:
            StrategyError: the model has no tokenizer or no action tokens.
        """
        model = self._model
        if model.tokenizer is None:
            raise StrategyError("strategy llm: this model has no tokenizer; give a checkpoint that has one")
        try:
            actions = model.text_generator.action_ids()
            start = model.tokenizer.encode(chat_prompt(prompt, system=model.config.system_prompt))
            config, chunk_tokens = model.config.stream, model.config.stream_tokens
            window = max(self._window, 2 * len(start) + 512)
            drop = None
            if config.chunks:  # drop whole chunks, so that the cache never holds a part of one
                window = len(start) + config.chunks * chunk_tokens
                drop = max(1, config.chunks // 8) * chunk_tokens
            session = model.rolling_session(sinks=len(start), window=window, drop=drop)
            session.feed_ids(start)
        except ReplyError as error:
            raise StrategyError(f"strategy llm: {error}") from error
        return _RollingContext(session, actions, np.array(config.offsets, np.float32))


class _RollingContext:
    def __init__(self, session: RollingSession, actions: list[int], offsets: NDArray[np.float32]) -> None:
        self._session = session
        self._actions = actions
        self._offsets = offsets  # [3], added to the logits: calibration from training

    def append_chunk(self, tokens: NDArray[np.floating]) -> NDArray[np.float32]:
        try:
            self._session.feed(torch.from_numpy(np.array(tokens))[None])  # [1, n, D]; a copy, as blobs are read-only
            logits: NDArray[np.float32] = self._session.logits_of(self._actions).float().cpu().numpy()
        except (ReplyError, RuntimeError) as error:
            raise StrategyError(f"strategy llm cannot read this chunk's tokens: {error}") from error
        return logits + self._offsets

    def append_action(self, action: int) -> None:
        self._session.feed_ids([self._actions[action]])
