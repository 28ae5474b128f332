"""Pure operations on events: ids, their order, wire forms, a shorter history. Knows no HTTP framework."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from cornerman_shared.bus.codec import event_name, to_plain
from cornerman_shared.bus.messages import DeltaEvent, EndEvent, Event

_ID = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")
_LARGEST = 2**64 - 1


def is_event_id(text: str) -> bool:
    """Whether `text` is the id of a stream entry, `milliseconds-number`."""
    return bool(_ID.fullmatch(text)) and all(int(part) <= _LARGEST for part in text.split("-"))


def parse_cursor(text: str, streams: int) -> list[str] | None:
    """Reads a cursor as `format_cursor` wrote it: the ids of the last events seen, one per stream.

    Returns None when `text` is not a cursor of `streams` streams.
    """
    ids = text.strip().split(",")
    return ids if len(ids) == streams and all(is_event_id(item) for item in ids) else None


def format_cursor(ids: Iterable[str]) -> str:
    """One SSE id for several streams. For a single stream it is the entry's own id."""
    return ",".join(ids)


def to_json(value: object) -> str:
    """Compact JSON. Lines are kept whole: a newline inside text is escaped, so one SSE `data:` line is enough."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def event_json(event: Event) -> str:
    """The event as programs get it: its fields, and its name under `type`."""
    return to_json(to_plain(event))


def sse(name: str, data: str, event_id: str | None = None) -> bytes:
    """One server-sent event. Without an id the browser keeps the one before."""
    head = f"id: {event_id}\n" if event_id is not None else ""
    return f"{head}event: {name}\ndata: {data}\n\n".encode()


def lagged(count: int | None, after: str) -> dict[str, Any]:
    """The message to a client that missed events.

    Args:
        count: number of missed events; None = they were trimmed before they could be counted.
        after: id of the last event before the gap.
    """
    return {"type": "lagged", "count": count, "after": after}


def shorten(events: Iterable[tuple[str, Event]]) -> list[dict[str, Any]]:
    """History for a page that has just opened: deltas only of requests that have not ended.

    An `end` holds the whole text, so the deltas of a finished request are redundant. Its start stays, because
    replies are shown in the order in which they began.
    """
    rows = list(events)
    ended = {event.request_id for _, event in rows if isinstance(event, EndEvent)}
    return [
        {"id": event_id, **to_plain(event)}
        for event_id, event in rows
        if not (isinstance(event, DeltaEvent) and event.request_id in ended)
    ]


def named(event: Event) -> str:
    """The SSE event name."""
    return event_name(event)
