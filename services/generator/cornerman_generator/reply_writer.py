"""One attempt's words on the bus: start, then pieces of text. Outlives a lost server without losing or doubling a
word."""

from __future__ import annotations

import asyncio

from cornerman_generator.hops import times_of
from cornerman_shared.backoff import Backoff
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import DeltaEvent, Event, Request, StartEvent
from cornerman_shared.bus.replies import append_reply, start_attempt
from cornerman_shared.errors import RetryableError
from cornerman_shared.process.logs import get_logger

log = get_logger("speech")


class ReplyWriter:
    """Says a request's text. A piece whose answer was lost may or may not be out, so a new attempt says everything
    again, which
    voids what the old one said."""

    def __init__(self, bus: Bus, request: Request, model: str) -> None:
        self._bus = bus
        self._request = request
        self._model = model
        self.attempt = 0
        self.text = ""
        self.first_token_at_s = 0.0

    async def start(self) -> bool:
        """Takes the request. False = it has ended, or a newer attempt is at work."""
        backoff = Backoff(base_s=0.05, cap_s=2.0)
        while True:
            try:
                attempt = await start_attempt(self._bus, self._request)
                if attempt is None:
                    return False
                self.attempt = attempt
                if not await self._say(self._start_event()):
                    return False
                return not self.text or await self._say(self._delta(self.text))
            except RetryableError as error:
                log.warning("speech_interrupted", request_id=self._request.request_id, error=str(error))
                await asyncio.sleep(backoff.next_s())

    async def append(self, text: str) -> bool:
        """Appends a piece. False = stop generating: the request has ended, or a newer attempt is at work."""
        if not self.first_token_at_s:
            self.first_token_at_s = self._bus.clock.now_s()
        self.text += text
        try:
            return await self._say(self._delta(text))
        except RetryableError:
            return await self.start()

    async def _say(self, event: Event) -> bool:
        return await append_reply(self._bus, event, self._request.request_id, self.attempt)

    def _start_event(self) -> StartEvent:
        request = self._request
        return StartEvent(
            source_id=request.source_id,
            run=request.run,
            request_id=request.request_id,
            attempt=self.attempt,
            kind=request.kind,
            action=request.action,
            pts_s=request.pts_s,
            prompt=request.prompt,
            model=self._model,
            times=request.times,
        )

    def _delta(self, text: str) -> DeltaEvent:
        request = self._request
        times = times_of(request, self.first_token_at_s)
        return DeltaEvent(request.source_id, request.run, request.request_id, self.attempt, text, times)
