"""The language half of Mobile-VideoGPT as an `ActionModel`: one rolling key-value cache a source. The only file of
the decider
that imports torch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from mobile_videogpt import MobileVideoGPT
from mobile_videogpt.errors import GenerationError, ModelError
from mobile_videogpt.prompts import chat_prompt
from mobile_videogpt.rolling import RollingSession
from services.decider.core import StrategyError, Tokens
from services.decider.strategies.llm import Watcher

WINDOW_TOKENS = 4096


class RollingActionModel:
    """Opens rolling contexts on one loaded model.

    Args:
        model: with its language half and a tokenizer that has the action tokens.
        window: tokens of context at most; the instruction in front of it stays for ever.
    """

    def __init__(self, model: MobileVideoGPT, window: int = WINDOW_TOKENS) -> None:
        self._model = model
        self._window = window

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

    def open(self, prompt: str) -> Watcher:
        """A context that begins with the system prompt and the instruction, which are never dropped."""
        model = self._model
        if model.tokenizer is None:
            raise StrategyError("strategy llm: this model has no tokenizer; give a checkpoint that has one")
        try:
            actions = model.speech.action_ids()
            start = model.tokenizer.encode(chat_prompt(prompt, system=model.config.system_prompt))
            session = model.rolling_session(sinks=len(start), window=max(self._window, 2 * len(start) + 512))
            session.feed_ids(start)
        except GenerationError as error:
            raise StrategyError(f"strategy llm: {error}") from error
        return _RollingWatcher(session, actions)


class _RollingWatcher:
    def __init__(self, session: RollingSession, actions: list[int]) -> None:
        self._session = session
        self._actions = actions

    def see(self, tokens: Tokens) -> NDArray[np.float32]:
        try:
            self._session.feed(torch.from_numpy(np.array(tokens))[None])
            return self._session.logits_of(self._actions).cpu().numpy()
        except (GenerationError, RuntimeError) as error:
            raise StrategyError(f"strategy llm cannot read this chunk's tokens: {error}") from error

    def did(self, action: int) -> None:
        self._session.feed_ids([self._actions[action]])
