"""Bus events as JSON objects, one per line of stdout. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cornerman_pose.facts import facts_line
from cornerman_shared.bus.messages import DecisionEvent, EndEvent, ErrorEvent, Event, MovementSeen, Times
from cornerman_shared.errors import ConfigError, SourceError
from cornerman_shared.redact import redact_url
from cornerman_shared.text import clean_text

if TYPE_CHECKING:
    from cornerman.feedback import Feedback

Line = dict[str, Any]

STAGES = ("captured", "published", "encoded", "decided", "first_token", "done")
MOST_FAILED = 1000
"""Failed requests that are remembered, so that each is reported once."""


def latency_ms(times: Times) -> dict[str, float]:
    """Milliseconds each stage took, by the stage reached; `total` is from the newest frame to the last word.

    A stage that was not reached is left out; its time counts for the next stage reached.
    """
    reached = [(stage, getattr(times, f"{stage}_at_s")) for stage in STAGES]
    reached = [(stage, at_s) for stage, at_s in reached if at_s > 0]
    spent = {stage: round((at_s - before_s) * 1000, 1) for (_, before_s), (stage, at_s) in pairwise(reached)}
    if len(reached) > 1:
        spent["total"] = round((reached[-1][1] - reached[0][1]) * 1000, 1)
    return spent


class EventLines:
    """Turns events into JSON objects, each failure once.

    A failed request arrives as an `ErrorEvent` and as the end of the request; the first of the two is the line.
    """

    def __init__(self) -> None:
        self._failed: dict[str, None] = {}

    def of(self, event: Event) -> Line | None:
        """The object of this event; None for starts, deltas, states and expired ends.

        A request that ended well with nothing new to say is feedback with an empty text and `silent`, so that
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
                "reason": clean_text(event.reason),
                **({"about": about(event.about)} if event.about else {}),
            }
        if isinstance(event, EndEvent):
            return self._end(event)
        if isinstance(event, ErrorEvent):
            return self._error(event.source_id, event.request_id, event.stage, event.message)
        return None

    def _end(self, event: EndEvent) -> Line | None:
        if event.status == "failed":
            return self._error(event.source_id, event.request_id, "generator", event.cause)
        if event.status == "declined":
            return {
                "type": "declined",
                "source_id": event.source_id,
                "request_id": event.request_id,
                "question": clean_text(event.prompt),
                "message": clean_text(event.cause),
            }
        if event.status != "done":
            return None
        line: Line = {
            "type": "feedback",
            "source_id": event.source_id,
            "request_id": event.request_id,
            "action": event.action,
            "pts_s": round(event.pts_s, 3),
            "text": "" if event.silent else clean_text(event.text),
            "ttft_ms": round(event.ttft_ms, 1),
            "latency_ms": latency_ms(event.times),
            "picture_age_s": round(event.picture_age_s, 3),
        }
        if event.frame_pts_s:
            line |= {"oldest_pts_s": round(event.frame_pts_s[0], 3), "frames": len(event.frame_pts_s)}
        if event.said_by != "model":
            line["said_by"] = event.said_by
        if event.cost:
            line["cost"] = round(event.cost, 6)
        if event.tokens_guessed:
            line["tokens_guessed"] = True
        return {**line, "silent": True} if event.silent else line

    def _error(self, source_id: str, request_id: str, stage: str, message: str) -> Line | None:
        if request_id:
            if request_id in self._failed:
                return None
            self._failed[request_id] = None
            # Bounded: a source may fail requests for days.
            while len(self._failed) > MOST_FAILED:
                del self._failed[next(iter(self._failed))]
        return {"type": "error", "source_id": source_id, "stage": stage, "message": clean_text(redact_url(message))}


def feedback_line(feedback: Feedback) -> Line:
    """The line of feedback of the engine, as `EventLines.of` makes it of the services'."""
    return {
        "type": "feedback",
        "source_id": feedback.source_id,
        "request_id": feedback.request_id,
        "action": feedback.action,
        "pts_s": round(feedback.pts_s, 3),
        "text": clean_text(feedback.text),
        "ttft_ms": feedback.ttft_ms,
        "latency_ms": feedback.latency_ms,
        "picture_age_s": round(feedback.picture_age_s, 3),
        **({"said_by": feedback.said_by} if feedback.said_by != "model" else {}),
    }


def about(seen: MovementSeen) -> Line:
    """The movement that a decision is about, numbers rounded; `text` is the same in words."""
    mistakes = [{**asdict(one), "probability": round(one.probability, 3)} for one in seen.mistakes]
    rounded = {"certainty": round(seen.certainty, 3), "phase": round(seen.phase, 3), "mistakes": mistakes}
    return {**asdict(seen), **rounded, "text": facts_line(seen)}


def read_lines(path: Path) -> list[Line]:
    """Reads the objects of a file of JSON lines, for example the output of `run --json`.

    Raises:
        SourceError: the file cannot be read.
        ConfigError: a line is not an object.
    """
    found: list[Line] = []
    try:
        # Not `splitlines`: the words of a line may hold other ends of lines, such as U+2028.
        for number, text in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
            if not text.strip():
                continue
            line = cleaned(json.loads(text))
            if not isinstance(line, dict):
                raise ConfigError(f"--from {str(path)!r}, line {number}: not a JSON object")
            found.append(line)
    except OSError as error:
        raise SourceError(
            f"--from {str(path)!r} cannot be read ({error.strerror}); give what `cornerman run --json` printed"
        ) from None
    except ValueError as error:
        raise ConfigError(f"--from {str(path)!r} cannot be read as JSON lines: {error}") from None
    return found


def cleaned(value: Any) -> Any:
    """A JSON value with all its text valid and printable."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [cleaned(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(name): cleaned(item) for name, item in value.items()}
    return value


def clock(pts_s: float) -> str:
    """Media time as mm:ss.d, with hours from one hour on.

    >>> clock(75.25)
    '01:15.2'
    """
    tenths = int(pts_s * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    text = f"{minutes:02d}:{tenths // 10:02d}.{tenths % 10}"
    return f"{hours}:{text}" if hours else text
