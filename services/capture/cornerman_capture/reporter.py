"""Reports a run to the bus: state changes, errors and counters. An unreachable server delays the reports."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from cornerman_shared.bus.runs import set_counters, set_state
from cornerman_shared.errors import RetryableError
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from cornerman_capture.core import ChunkCounts
    from cornerman_capture.source_decoder import SourceDecoder
    from cornerman_capture.source_state import StateChange
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.lease import Lease
    from cornerman_shared.bus.messages import SourceStateName
    from cornerman_shared.process.metrics import Metrics

log = get_logger("capture")

REPORT_S: Final = 0.5
"""How often counters are written."""


class Reporter:
    """Reports on one run.

    Args:
        bus: an open bus.
        lease: of the source.
        source_id: the source.
        run: the run's id.
        decoder: decodes the run.
        counts: of the run's chunks.
        metrics: of this process.
        incarnation: of the source.

    Attributes:
        state: of the source, as last reported.
        may_end: whether `ended` and `failed` may be reported; set after the end marker was published.
    """

    def __init__(
        self,
        bus: Bus,
        lease: Lease,
        source_id: str,
        run: str,
        decoder: SourceDecoder,
        counts: ChunkCounts,
        metrics: Metrics,
        incarnation: int = 0,
    ) -> None:
        self._incarnation = incarnation
        self.state: SourceStateName = "waiting"
        self.may_end = False
        self._bus, self._lease, self._source_id, self._run = bus, lease, source_id, run
        self._decoder, self._counts, self._metrics = decoder, counts, metrics
        self._unreported: deque[StateChange] = deque()
        self._last_error = ""
        self._written: dict[str, int] = {}
        # What earlier processes of the run counted is in their metrics.
        self._measured = {**counts.counters(0, 0, 0), "published": counts.published}

    async def report_loop(self) -> None:
        """Reports at each change of state, and each `REPORT_S`.

        Raises:
            FencedError: another process holds the lease.
        """
        while True:
            try:
                await self.report_changes()
                await self.report_counters()
            except RetryableError as error:
                log.debug("report_delayed", source_id=self._source_id, error=str(error))
            await self._decoder.changed.wait(REPORT_S)

    async def report_changes(self) -> None:
        """Reports every new change of state; the end only once it `may_end`.

        Raises:
            FencedError: another process holds the lease.
            RetryableError: no answer; unreported changes are kept.
        """
        self._unreported.extend(self._decoder.poll_changes())
        while self._unreported and not (self._unreported[0].over and not self.may_end):
            change = self._unreported[0]
            is_error = self._is_new_error(change)
            await self._set_state(change, is_error=is_error)
            # Removed only after the server has answered, so that a lost reply repeats the report.
            self._unreported.popleft()
            if is_error or change.state == "playing":
                self._last_error = change.detail
            self._metrics.errors_total.labels("source").inc(int(is_error))
            self.state = change.state
            log.info("source_" + change.state, source_id=self._source_id, run=self._run, detail=change.detail)

    async def report(self, change: StateChange) -> None:
        """Reports a change that the decoder does not know of, after those of the decoder.

        Raises:
            FencedError: another process holds the lease.
            RetryableError: no answer; reporting it again is safe.
        """
        await self.report_changes()
        await self._set_state(change)
        self.state = change.state

    async def _set_state(self, change: StateChange, *, is_error: bool = False) -> None:
        await set_state(
            self._bus,
            self._source_id,
            self._run,
            change.state,
            change.detail,
            self._lease,
            is_error=is_error,
            incarnation=self._incarnation,
        )

    def _is_new_error(self, change: StateChange) -> bool:
        """Whether the change is an error that differs from the last one; attempts repeat the same error."""
        is_error = change.state in ("failed", "reconnecting") or (change.state == "ended" and change.detail != "")
        return is_error and change.detail != self._last_error

    async def report_counters(self) -> None:
        """Writes the counters if they have changed, and adds the differences to the metrics.

        Raises:
            FencedError: another process holds the lease.
            RetryableError: no answer.
        """
        chunker, counts = self._decoder.chunker, self._counts
        if not self._decoder.plan.lossless:
            # The queue of a lossless run drops chunks only when it is closed; those are counted as stopped.
            counts.set_dropped("behind", self._decoder.behind)
        captured = chunker.captured - self._decoder.repeated
        counters = counts.counters(captured, chunker.sampled, chunker.due)
        self._measure({**counters, "published": counts.published, "reconnects": self._decoder.state.reconnects})
        if counters != self._written:
            await set_counters(self._bus, self._source_id, counters, self._lease, run=self._run)
            self._written = counters

    def _measure(self, totals: dict[str, int]) -> None:
        for name, total in totals.items():
            # Metrics only rise, while a total starts again at 0 with a new run.
            more = total - self._measured.get(name, 0)
            self._measured[name] = max(total, self._measured.get(name, 0))
            if more <= 0 or name == "due":
                continue
            if name in ("captured", "sampled"):
                self._metrics.frames_total.labels(name).inc(more)
            elif name == "reconnects":
                self._metrics.source_reconnects_total.inc(more)
            else:
                self._metrics.chunks_total.labels(name.removeprefix("dropped:")).inc(more)
