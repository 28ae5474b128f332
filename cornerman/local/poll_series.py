"""A series of polls: follows the events of a source, records its polls, and goes from one interval to the next."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from cornerman.local.counts import SourceCounts
from cornerman.local.poll_records import PollRecord
from cornerman_gateway.stills import still
from cornerman_shared.bus.messages import DecisionEvent, EndEvent, Event
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.bus.registry import update_source
from cornerman_shared.bus.workers import list_workers
from cornerman_shared.errors import RetryableError

if TYPE_CHECKING:
    from cornerman.local.poll_session import PollSession
    from cornerman.local.run_output import RunOutput
    from cornerman_shared.bus.connection import Bus

THUMBNAIL_WIDTH: Final = 200
MOST_THUMBNAILS: Final = 300
"""Polls of a session whose picture is kept: about 3 MB in the report."""

LATE_STILL_S: Final = 2.0
"""How long the picture of the last poll is waited for; capture stores it a moment after the decision."""

SETTLE_S: Final = 1.0
"""A changed interval takes effect within this time; polls cut until then belong to neither."""

ONLY_CLOCK: Final = ("not_due", "")
"""Reasons of silence that skip no poll."""


class PollSeries:
    """Collects the polls of each planned interval into a session.

    Args:
        session: is filled.
        plan: pairs of interval in seconds and number of polls (0 = until the source ends).
        warmup: number of first polls that are discarded.
    """

    def __init__(
        self, source_id: str, session: PollSession, plan: list[tuple[float, int]], warmup: int, output: RunOutput
    ) -> None:
        self.session = session
        self.interrupted = False
        self._source_id = source_id
        self._plan = plan
        self._warmup = warmup
        self._output = output
        self._at = 0  # index of the interval in force
        self._settled_at_s = 0.0  # unix seconds
        self._wanted = plan[0][1]  # polls in all by the end of this interval; 0 = no limit
        self._counted = asyncio.Event()
        self._words: dict[str, int] = {}
        self._pictures: dict[int, tuple[str, float]] = {}  # poll -> run and media time of a picture not fetched yet

    def on_event(self, event: Event) -> None:
        """Records the end of a poll, or why there was none; ignores other events."""
        if isinstance(event, DecisionEvent):
            self._on_decision(event)
        elif isinstance(event, EndEvent) and event.kind == "feedback":
            self._on_end(event)

    def _on_decision(self, event: DecisionEvent) -> None:
        if event.n_chunks > 1 or event.reason == "lost":
            self.session.skipped["lost"] += event.n_chunks
        elif event.status in ("buried", "expired"):
            self._on_end(_unencoded(event))
        elif event.action == "next" and event.reason not in ONLY_CLOCK and event.status == "ok":
            self.session.skipped[event.reason] += 1

    def _on_end(self, event: EndEvent) -> None:
        polls = self.session.polls
        if self._at >= len(self._plan):
            return
        if self._warmup > 0:
            self._warmup -= 1
            self.session.warmup_polls += 1
            return
        if self._wanted and len(polls) >= self._wanted:
            return  # ended before the next interval was in force
        if 0 < event.times.captured_at_s < self._settled_at_s:
            return
        record = PollRecord.of(event, len(polls), self._plan[self._at][0], repeats=self._seen_before(event))
        polls.append(record)
        if record.done and len(self._pictures) + len(self.session.thumbnails) < MOST_THUMBNAILS:
            self._pictures[record.poll_index] = (event.run, event.pts_s)
        if self._output.as_json:
            self._output.line(record.to_dict())
        self._counted.set()

    def _seen_before(self, event: EndEvent) -> int | None:
        """Index of an earlier poll with the same words; praise and correction are apart, whatever their words."""
        words = " ".join(event.text.casefold().split())
        if not words or event.status != "done":
            return None
        index = len(self.session.polls)
        first = self._words.setdefault(f"{event.action}: {words}", index)
        return first if first < index else None

    async def direct(self, bus: Bus) -> None:
        """Sets one interval after the other, each until its polls are recorded; fetches pictures on the way.

        Without a limit it goes on until it is cancelled.

        Raises:
            RetryableError: the server does not answer.
        """
        if not self._plan[0][1]:
            while True:
                await self._next(bus)
        self._wanted = 0
        for self._at, (interval_s, count) in enumerate(self._plan):  # noqa: B020 `on_event` reads it
            if self._at:
                await update_source(bus, self._source_id, {"speak": {"interval_s": interval_s}})
                self._settled_at_s = bus.clock.now_s() + SETTLE_S
            self._wanted += count
            while len(self.session.polls) < self._wanted:
                await self._next(bus)
        await self._last_pictures(bus)
        self._at = len(self._plan)

    async def _next(self, bus: Bus) -> None:
        await self._counted.wait()
        self._counted.clear()
        with contextlib.suppress(RetryableError):  # a picture or a figure must not end the series
            await self._fetch_pictures(bus)
            await self._ask_workers(bus)

    async def on_end(self, bus: Bus, interrupted: bool) -> None:
        """Reads what is known only while the services still run: counters, workers, late pictures."""
        self.interrupted = interrupted
        with contextlib.suppress(RetryableError):
            with redis_errors():
                raw = await bus.redis.hgetall(bus.keys(self._source_id).counters(self._source_id))
            counts = SourceCounts.of(raw)
            self.session.captured = counts.captured
            self.session.unfinished = max(0, sum(counts.unfinished))
            for reason, number in counts.dropped.items():
                if reason != "stopped":
                    self.session.skipped[reason] += number
            await self._ask_workers(bus)
            await self._last_pictures(bus)

    async def _ask_workers(self, bus: Bus) -> None:
        total: dict[str, int] = {}
        for worker in await list_workers(bus):
            if worker.models:
                self.session.workers[worker.role] = dict(worker.models)
            for name in ("allocated", "reserved", "peak"):
                if f"gpu_{name}_bytes" in worker.detail:
                    total[f"{name}_bytes"] = total.get(f"{name}_bytes", 0) + int(worker.detail[f"gpu_{name}_bytes"])
        if total:
            before = self.session.gpu_memory or {}
            self.session.gpu_memory = {name: max(value, before.get(name, 0)) for name, value in total.items()}

    async def _last_pictures(self, bus: Bus) -> None:
        clock, give_up_s = bus.clock, bus.clock.monotonic_s() + LATE_STILL_S
        while self._pictures and clock.monotonic_s() < give_up_s:
            await self._fetch_pictures(bus)
            await asyncio.sleep(0.05)

    async def _fetch_pictures(self, bus: Bus) -> None:
        for index, (run, pts_s) in list(self._pictures.items()):
            jpeg = await still(bus, self._source_id, run, pts_s, width=THUMBNAIL_WIDTH)
            if jpeg is not None:
                self.session.thumbnails[index] = jpeg
                self._pictures.pop(index, None)


def _unencoded(event: DecisionEvent) -> EndEvent:
    """The end of a poll that no generator was asked, because its frames could not be encoded."""
    return EndEvent.without_words(
        event.source_id,
        event.run,
        f"{event.source_id}:{event.run}:{event.seq}",
        kind="feedback",
        status="failed",
        cause=f"the encoder gave no tokens: {event.status}",
        done_at_s=event.times.decided_at_s,
        pts_s=event.pts_s,
        incarnation=event.incarnation,
    )
