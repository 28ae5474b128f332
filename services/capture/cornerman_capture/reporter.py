"""What is said of a run: states as they change, errors for people, counters. A lost server delays all of it."""

from __future__ import annotations

from collections import deque
from typing import Final

from cornerman_capture.core import ChunkLedger
from cornerman_capture.source_decoder import SourceDecoder, StateChange
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.lease import Lease
from cornerman_shared.bus.messages import SourceStateName
from cornerman_shared.bus.publish import set_counters, set_state
from cornerman_shared.errors import RetryableError
from cornerman_shared.process.logs import get_logger
from cornerman_shared.process.metrics import Metrics

log = get_logger("capture")

REPORT_S: Final = 0.5
"""How often counters are written."""


class Reporter:
    """Reports on one run.

    Args:
        bus: an open bus.
        lease: of the source.
        source_id: whose run it is.
        run: the run's id.
        reel: what decodes it.
        ledger: what became of its cuts.
        metrics: of this process.
    """

    def __init__(
        self,
        bus: Bus,
        lease: Lease,
        source_id: str,
        run: str,
        reel: SourceDecoder,
        ledger: ChunkLedger,
        metrics: Metrics,
    ) -> None:
        self.state: SourceStateName = "waiting"
        self.may_end = False
        self._bus, self._lease, self._source_id, self._run = bus, lease, source_id, run
        self._reel, self._ledger, self._metrics = reel, ledger, metrics
        self._unsaid: deque[StateChange] = deque()
        self._last_error = ""
        self._written: dict[str, int] = {}
        self._counted: dict[str, int] = {}

    async def run_loop(self) -> None:
        """Reports at each change of state, and each `REPORT_S`.

        Raises:
            FencedError: the source is not ours any more.
        """
        while True:
            try:
                await self.tell()
                await self.count()
            except RetryableError as error:
                log.debug("report_delayed", source_id=self._source_id, error=str(error))
            await self._reel.bell.wait(REPORT_S)

    async def tell(self) -> None:
        """Says every change of state that has not been said yet, but the end only once it `may_end`: after the marker.

        Raises:
            FencedError: the source is not ours any more.
            RetryableError: no answer; what is unsaid is kept.
        """
        self._unsaid.extend(self._reel.look())
        while self._unsaid and not (self._unsaid[0].over and not self.may_end):
            news = self._unsaid[0]
            wrong = self._is_wrong(news)
            await set_state(self._bus, self._source_id, self._run, news.state, news.detail, self._lease, is_error=wrong)
            self._unsaid.popleft()
            if wrong or news.state == "playing":
                self._last_error = news.detail
            self._metrics.errors_total.labels("source").inc(int(wrong))
            self.state = news.state
            log.info("source_" + news.state, source_id=self._source_id, run=self._run, detail=news.detail)

    async def say(self, news: StateChange) -> None:
        """Says what the decoder does not know, after what it does.

        Raises:
            FencedError: the source is not ours any more.
            RetryableError: no answer; saying it again is safe.
        """
        await self.tell()
        await set_state(self._bus, self._source_id, self._run, news.state, news.detail, self._lease)
        self.state = news.state

    def _is_wrong(self, news: StateChange) -> bool:
        """What went wrong is said once, not at every try."""
        wrong = news.state in ("failed", "reconnecting") or (news.state == "ended" and news.detail != "")
        return wrong and news.detail != self._last_error

    async def count(self) -> None:
        """Writes the counters, if they have changed, and raises the metrics by what was added.

        Raises:
            FencedError: the source is not ours any more.
            RetryableError: no answer.
        """
        chunker, ledger = self._reel.chunker, self._ledger
        if not self._reel.plan.lossless:
            ledger.has_dropped("behind", self._reel.behind)
        counters = ledger.counters(chunker.captured, chunker.sampled, chunker.due)
        self._measure({**counters, "published": ledger.published, "reconnects": self._reel.machine.reconnects})
        if counters != self._written:
            await set_counters(self._bus, self._source_id, counters, self._lease)
            self._written = counters

    def _measure(self, totals: dict[str, int]) -> None:
        for name, total in totals.items():
            more = total - self._counted.get(name, 0)
            self._counted[name] = max(total, self._counted.get(name, 0))
            if more <= 0 or name == "due":
                continue
            if name in ("captured", "sampled"):
                self._metrics.frames_total.labels(name).inc(more)
            elif name == "reconnects":
                self._metrics.source_reconnects_total.inc(more)
            else:
                self._metrics.chunks_total.labels(name.removeprefix("dropped:")).inc(more)
