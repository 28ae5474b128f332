"""Writes one reply to the bus: start, then pieces of text. Retries a lost server without losing or doubling text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerman_generator.core import times_of
from cornerman_shared.aio import retry
from cornerman_shared.bus.messages import DeltaEvent, StartEvent
from cornerman_shared.bus.replies import append_reply, is_attempt_open, start_attempt
from cornerman_shared.errors import RetryableError
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.messages import Event, Request

log = get_logger("reply_writer")


class ReplyWriter:
    """Writes a request's text.

    A piece whose answer was lost may or may not be written. A new attempt then writes the whole text again, which voids
    the text of the old one.
    """

    def __init__(self, bus: Bus, request: Request, model: str) -> None:
        self._bus = bus
        self._request = request
        self._model = model
        self.attempt = 0
        self.text = ""
        self.first_token_at_s = 0.0

    async def start(self) -> bool:
        """Starts an attempt. False = the request has ended, or a newer attempt is at work."""
        return await retry(
            self._start_once,
            report=lambda error: log.warning(
                "speech_interrupted", request_id=self._request.request_id, error=str(error)
            ),
        )

    async def start_again(self) -> bool:
        """Starts another attempt, which voids the text so far; False as in `start`."""
        self.text, self.first_token_at_s = "", 0.0
        return await self.start()

    async def append(self, text: str) -> bool:
        """Appends a piece. False = stop generating: the request has ended, or a newer attempt is at work."""
        if not self.first_token_at_s:
            self.first_token_at_s = self._bus.clock.now_s()
        self.text += text
        try:
            return await self._append(self._delta(text))
        except RetryableError:
            return await self.start()  # not again: the piece may be written already, and would then be doubled

    async def is_open(self) -> bool:
        """False = stop generating, as of `append`; for the time without text to append."""
        try:
            return await is_attempt_open(self._bus, self._request, self.attempt)
        except RetryableError:
            return True  # the next look tells

    async def _start_once(self) -> bool:
        attempt = await start_attempt(self._bus, self._request)
        if attempt is None:
            return False
        self.attempt = attempt
        if not await self._append(self._start_event()):
            return False
        return not self.text or await self._append(self._delta(self.text))

    async def _append(self, event: Event) -> bool:
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
            picture_age_s=request.picture_age_s,
            incarnation=request.incarnation,
            traceparent=request.traceparent,
        )

    def _delta(self, text: str) -> DeltaEvent:
        request = self._request
        times = times_of(request, self.first_token_at_s)
        return DeltaEvent(
            request.source_id, request.run, request.request_id, self.attempt, text, times, request.incarnation
        )
