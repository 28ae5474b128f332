"""A series of polls: collects their records and switches from one interval to the next."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cornerman.local.poll_records import PollRecord, by_interval, poll_statistics
from cornerman_shared.bus.messages import EndEvent, Event
from cornerman_shared.bus.registry import update_source

if TYPE_CHECKING:
    from cornerman.local.run_output import RunOutput
    from cornerman_shared.bus.connection import Bus

FRAMES = 16
WINDOW_S = 4.0

PRESET: dict[str, Any] = {
    "watch": {"look": "poll", "frames": FRAMES, "window_s": WINDOW_S, "sample_fps": FRAMES / WINDOW_S},
    # The clock alone decides: no minimum interval, no repeat suppression, no deadline.
    "speak": {
        "strategy": "interval",
        "min_interval_s": 0.0,
        "repeat_window_s": 0.0,
        "context_chunks": 1,
        "context_timeout_s": 0.0,
        "clear_context": False,
        "deadline_s": 0.0,
    },
    "say": {"temperature": 0.0, "max_new_tokens": 512},
}
"""Settings of polling mode."""


class PollSeries:
    """Collects the polls of each planned interval.

    Args:
        plan: pairs of interval in seconds and number of polls (0 = until the source ends).
        warmup: number of first polls that are discarded.
    """

    def __init__(self, source_id: str, plan: list[tuple[float, int]], warmup: int, output: RunOutput) -> None:
        self._source_id = source_id
        self._plan = plan
        self._warmup = warmup
        self._output = output
        self._at = 0  # index of the interval in force
        self._wanted = plan[0][1]  # polls in all by the end of this interval; 0 = no limit
        self._counted = asyncio.Event()
        self.polls: list[PollRecord] = []

    def on_event(self, event: Event) -> None:
        """Records the end of a request as a poll; ignores other events."""
        if not isinstance(event, EndEvent) or self._at >= len(self._plan):
            return
        if self._warmup > 0:
            self._warmup -= 1
            return
        if self._wanted and len(self.polls) >= self._wanted:
            return  # ended before the next interval was in force
        record = PollRecord.of(event, len(self.polls), self._plan[self._at][0])
        self.polls.append(record)
        if self._output.as_json:
            self._output.line(record.to_dict())
        self._counted.set()

    async def direct(self, bus: Bus) -> None:
        """Sets one interval after the other, each until its polls are recorded.

        Raises:
            RetryableError: the server does not answer.
        """
        self._wanted = 0
        for self._at, (interval_s, count) in enumerate(self._plan):  # noqa: B020 `on_event` reads it
            if self._at:
                await update_source(bus, self._source_id, {"speak": {"interval_s": interval_s}})
            self._wanted += count
            while len(self.polls) < self._wanted:
                self._counted.clear()
                await self._counted.wait()
        self._at = len(self._plan)

    def write(self, folder: Path) -> None:
        """Writes metrics.json (every poll) and summary.json (statistics, in all and by interval)."""
        folder.mkdir(parents=True, exist_ok=True)
        polls = [poll.to_dict() for poll in self.polls]
        summary = {**poll_statistics(self.polls), "intervals": by_interval(self.polls)}
        (folder / "metrics.json").write_text(json.dumps(polls, indent=2, ensure_ascii=False), encoding="utf-8")
        (folder / "summary.json").write_text(json.dumps(summary, indent=2, ensure_ascii=False), encoding="utf-8")
