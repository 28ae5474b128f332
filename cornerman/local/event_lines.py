"""Events as people and programs get them on stdout: one JSON object, or one line of text, for each. Pure."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from cornerman_shared.bus.messages import DecisionEvent, EndEvent, ErrorEvent, Event, Times
from cornerman_shared.redact import redact_url

Line = dict[str, Any]

STAGES = ("captured", "published", "encoded", "decided", "first_token", "done")


def latency_ms(times: Times) -> dict[str, float]:
    """Milliseconds that each stage took, by the stage reached; `total` from the newest frame to the last
    word.

    A stage that was not reached is left out, and its time counts for the next one that was.
    """
    reached = [(stage, getattr(times, f"{stage}_at_s")) for stage in STAGES]
    reached = [(stage, at_s) for stage, at_s in reached if at_s > 0]
    spent = {stage: round((at_s - before_s) * 1000, 1) for (_, before_s), (stage, at_s) in pairwise(reached)}
    if len(reached) > 1:
        spent["total"] = round((reached[-1][1] - reached[0][1]) * 1000, 1)
    return spent


class EventLines:
    """Turns events into JSON objects, saying each failure once.

    A failed request comes as an `ErrorEvent` and as the end of the request; whichever comes first is the
    line.
    """

    def __init__(self) -> None:
        self._failed: dict[str, None] = {}

    def of(self, event: Event) -> Line | None:
        """The object for this event; None when it has none (starts, deltas, states, expired ends).

        A request that ended well but had nothing new to say is feedback with an empty text and `silent`, so that
        the lines can be counted against the summary.
        """
        if isinstance(event, DecisionEvent):
            return {
                "type": "decision",
                "source_id": event.source_id,
                "run": event.run,
                "seq": event.seq,
                "pts_s": round(event.pts_s, 3),
                "action": event.action,
                "confidence": round(event.confidence, 4),
                "reason": event.reason,
            }
        if isinstance(event, EndEvent):
            return self._end(event)
        if isinstance(event, ErrorEvent):
            return self._error(event.source_id, event.request_id, event.stage, event.message)
        return None

    def _end(self, event: EndEvent) -> Line | None:
        if event.status == "failed":
            return self._error(event.source_id, event.request_id, "generator", event.cause)
        if event.status != "done":
            return None
        line: Line = {
            "type": "feedback",
            "source_id": event.source_id,
            "request_id": event.request_id,
            "action": event.action,
            "pts_s": round(event.pts_s, 3),
            "text": "" if event.silent else event.text,
            "ttft_ms": round(event.ttft_ms, 1),
            "latency_ms": latency_ms(event.times),
        }
        return {**line, "silent": True} if event.silent else line

    def _error(self, source_id: str, failed: str, stage: str, message: str) -> Line | None:
        if failed:
            if failed in self._failed:
                return None
            self._failed[failed] = None
            while len(self._failed) > 1000:
                del self._failed[next(iter(self._failed))]
        return {"type": "error", "source_id": source_id, "stage": stage, "message": redact_url(message)}


def clock(pts_s: float) -> str:
    """Media time as mm:ss.d, with hours when there are any.

    >>> clock(75.25)
    '01:15.2'
    """
    tenths = int(pts_s * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    text = f"{minutes:02d}:{tenths // 10:02d}.{tenths % 10}"
    return f"{hours}:{text}" if hours else text
