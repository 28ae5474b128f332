"""Context of a service in the test process, and the events and counters of its source on the bus."""

from __future__ import annotations

from typing import Any

from cornerman_shared.bus.codec import unpack_event
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import Event
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.clock import SystemClock
from cornerman_shared.process.health import Health
from cornerman_shared.process.logs import get_logger
from cornerman_shared.process.metrics import Metrics
from cornerman_shared.process.runtime import Context
from cornerman_shared.settings.tree import Settings

SOURCE = "cam"


def service_context(bus: Bus, role: str, name: str, settings: Settings | None = None) -> Context:
    """The context of a service that shares the test's bus; the bus's settings unless others are given."""
    clock = SystemClock()
    return Context(settings or bus.settings, bus, clock, name, Health(role, name, clock), Metrics(), get_logger(name))


async def events(bus: Bus, kind: type[Event] | None = None) -> list[Any]:
    """Events of the source, oldest first; of one kind if given."""
    rows = await bus.redis.xrange(bus.keys(SOURCE).feedback(SOURCE))
    found = [unpack_event(fields[FIELD]) for _, fields in rows]
    return [event for event in found if kind is None or isinstance(event, kind)]


async def counters(bus: Bus) -> dict[str, int]:
    """Counters of the source."""
    raw = await bus.redis.hgetall(bus.keys(SOURCE).counters(SOURCE))
    return {name.decode(): int(value) for name, value in raw.items()}
