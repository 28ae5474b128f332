"""LoRA adapters of one shared model: loaded once, switched between requests, never during one."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cornerman_generator.adapter_names import listed_adapter
from cornerman_shared.errors import ConfigError
from mobile_videogpt.errors import ModelError

if TYPE_CHECKING:
    from mobile_videogpt import MobileVideoGPT


def load_adapters(model: MobileVideoGPT, adapters: Mapping[str, str]) -> None:
    """Loads every listed adapter; none is active afterwards. Without any, PEFT is not imported.

    Args:
        model: takes the adapters.
        adapters: folders or hub names by name.

    Raises:
        ConfigError: one is missing, damaged, or of another model.
    """
    for name, place in adapters.items():
        try:
            model.lora.load(place, name)
        except (ModelError, OSError, ValueError, TypeError) as error:
            raise ConfigError(f"generator.adapters, {name!r}: {place!r} cannot be used: {error}") from error
    if adapters:
        model.lora.deactivate()


class AdapterSwitch:
    """Runs requests with one adapter together, and changes the adapter when no request is running.

    Requests are let in as they come: one that wants the active adapter waits behind an earlier one that wants another,
    so that each adapter has its turn.

    Args:
        model: with the adapters loaded.
        adapters: the names that requests may use.
    """

    def __init__(self, model: MobileVideoGPT, adapters: Mapping[str, str]) -> None:
        self._model = model
        self._adapters = adapters
        self._changed = threading.Condition()
        self._waiting: deque[tuple[object, str]] = deque()
        self._running = 0

    @contextmanager
    def using(self, wanted: str) -> Iterator[None]:
        """Runs the body with this adapter active; empty = none.

        Raises:
            GenerationError: the adapter is not listed.
        """
        listed_adapter(wanted, self._adapters)
        ticket = (object(), wanted)
        # An adapter is weights in the shared model: a switch would change the text of replies in work.
        with self._changed:
            self._waiting.append(ticket)
            try:
                self._changed.wait_for(lambda: self._may_enter(ticket))
                if self._active() != wanted:
                    self._switch(wanted)
                self._running += 1
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _may_enter(self, ticket: tuple[object, str]) -> bool:
        if self._running == 0:
            return self._waiting[0] is ticket
        active = self._active()
        ahead = list(self._waiting)[: self._waiting.index(ticket) + 1]
        return all(wanted == active for _, wanted in ahead)

    def _active(self) -> str:
        return self._model.active_adapter or ""

    def _switch(self, wanted: str) -> None:
        lora = self._model.lora
        if wanted:
            lora.activate(wanted)
        else:
            lora.deactivate()
