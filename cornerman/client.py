"""The Python client: what Cornerman says, as an async iterator, or as a plain one. Starts nothing.

Finds the server as every command does: `redis` argument, `CORNERMAN_REDIS_URL`, `cornerman.yaml`, else the embedded
server of this user.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass

from cornerman.local.event_lines import latency_ms
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import Action, EndEvent
from cornerman_shared.settings.tree import load_settings


@dataclass(frozen=True, slots=True)
class Feedback:
    """Something that was said.

    `pts_s`: the moment it is about, seconds since the start of the source's run. `latency_ms`: what each stage took,
    and `total`. `event_id`: give it as `since` to go on behind this one.
    """

    event_id: str
    source_id: str
    request_id: str
    action: Action
    pts_s: float
    text: str
    model: str
    ttft_ms: float
    latency_ms: dict[str, float]


async def subscribe(
    source_id: str | None = None, *, redis: str = "", since: str = "$"
) -> AsyncGenerator[Feedback, None]:
    """What is said about a source (None = about all of them), as it is said, for ever.

    A lost server is waited for; nothing is missed or repeated meanwhile.

    Args:
        redis: server URL; "" = as the settings say.
        since: id of the last event seen; "0" = everything that is kept, "$" = from now on.

    Raises:
        ConfigError: the settings are wrong, or the server refuses us.
        RetryableError: there is no server now.

    Example:
        >>> async for feedback in subscribe("cam1"):  # doctest: +SKIP
        ...     print(feedback.text)
    """
    settings = load_settings({"redis": {"url": redis}} if redis else None)
    async with Bus.connect(settings) as bus:
        await bus.ready(timeout_s=5.0)
        async for event_id, event in bus.subscribe(source_id, since=since):
            if isinstance(event, EndEvent) and event.status == "done" and not event.silent:
                yield Feedback(
                    event_id=event_id,
                    source_id=event.source_id,
                    request_id=event.request_id,
                    action=event.action,
                    pts_s=event.pts_s,
                    text=event.text,
                    model=event.model,
                    ttft_ms=event.ttft_ms,
                    latency_ms=latency_ms(event.times),
                )


def follow(source_id: str | None = None, *, redis: str = "", since: str = "$") -> Iterator[Feedback]:
    """`subscribe` for programs without an event loop: `for feedback in cornerman.follow("cam1")`."""
    with asyncio.Runner() as runner:
        said = subscribe(source_id, redis=redis, since=since)

        async def one() -> Feedback:
            return await anext(said)

        try:
            while True:
                yield runner.run(one())
        finally:
            runner.run(said.aclose())
