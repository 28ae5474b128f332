"""Entries of a feedback stream as events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerman_shared.bus import streams
from cornerman_shared.bus.codec import unpack_event
from cornerman_shared.errors import MalformedError
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cornerman_shared.bus.messages import Event

log = get_logger("gateway")


def read_rows(rows: Sequence[tuple[bytes, dict[bytes, bytes]]]) -> list[tuple[str, Event]]:
    """Returns (id, event) of stream entries; malformed ones are logged and left out."""
    out = []
    for raw_id, fields in rows:
        try:
            out.append((raw_id.decode(), unpack_event(fields.get(streams.FIELD, b""))))
        except MalformedError as error:
            log.warning("event_malformed", entry_id=raw_id.decode(), error=str(error))
    return out
