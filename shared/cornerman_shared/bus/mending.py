"""Deletes what is stored of one source and cannot be read, so that its damage costs no other source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cornerman_shared.bus.hop import Hop
from cornerman_shared.bus.messages import ErrorEvent
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from cornerman_shared.bus.scripts import Scripts
    from cornerman_shared.bus.streams import Keys
    from cornerman_shared.clock import Clock
    from cornerman_shared.settings.tree import Settings

log = get_logger("mending")


class Mender(Protocol):
    """What of a bus is needed to mend."""

    scripts: Scripts
    clock: Clock
    settings: Settings

    def keys(self, source_id: str) -> Keys:
        """Keys of the source's shard."""


async def mend_source(bus: Mender, source_id: str, stage: str) -> list[str]:
    """Deletes damaged keys and fields of a source, and tells them once as its error event.

    Args:
        bus: an open bus.
        source_id: the source.
        stage: who found them, for the event.

    Returns:
        The keys, each with the field that was damaged; empty if there was no damage.

    Raises:
        RetryableError: no answer; mending again is safe.
    """
    k = bus.keys(source_id)
    stored = (k.run, k.counters, k.decider_state, k.stills, k.inflight, k.feedback, k.display, k.push)
    capture = f"capture:{source_id}"
    of_source = [*(key(source_id) for key in (*stored, k.asked, k.answered)), k.lease(capture), k.fence(capture)]
    keys = [*of_source, k.open_requests, k.incarnations, k.sources_revision]
    damaged = await bus.scripts.run("mend", keys, [source_id])
    names = [raw.decode(errors="replace") for raw in damaged]
    if names:
        log.error("stored_data_unreadable", source_id=source_id, damaged=names)
        message = f"stored data could not be read and was deleted: {', '.join(names)}"
        event = ErrorEvent(source_id, "", stage, message, bus.clock.now_s())
        await Hop().event(k, event, bus.settings.bus.feedback_maxlen).expire(k, source_id).run(bus.scripts)
    return names
