"""The Python client: feedback as an async iterator, or as a plain one. Starts nothing.

The server is, as for every command, the `redis` argument, `CORNERMAN_REDIS_URL`, the one in `cornerman.yaml`, or the
embedded server of this user.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator

from cornerman.feedback import Feedback
from cornerman.local.event_lines import latency_ms
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import EndEvent
from cornerman_shared.process.logs import configure_inside_program
from cornerman_shared.settings.tree import load_settings


async def subscribe(
    source_id: str | None = None, *, redis: str = "", since: str = "$"
) -> AsyncGenerator[Feedback, None]:
    """Yields feedback about a source (None = all sources) as it arrives, without end.

    Waits for a lost server; no feedback is missed or repeated. Feedback that was trimmed meanwhile is logged as a gap.

    Args:
        redis: server URL; "" = as the settings say.
        since: id of the last event seen; "0" = everything that is kept, "$" = new feedback only.

    Raises:
        ConfigError: the settings are wrong, or the server refuses the connection.
        RetryableError: the server does not answer.

    Example:
        async for feedback in subscribe("cam1"):
            print(feedback.text)
    """
    configure_inside_program()
    settings = load_settings({"redis": {"url": redis}} if redis else None)
    async with Bus.connect(settings) as bus:
        await bus.ready(timeout_s=5.0)
        async for event_id, event in bus.subscribe(source_id, since=since):
            # Failed, expired and silent requests are not feedback.
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
                    picture_age_s=event.picture_age_s,
                    said_by=event.said_by,
                )


def follow(source_id: str | None = None, *, redis: str = "", since: str = "$") -> Iterator[Feedback]:
    """Iterates over `subscribe` without an event loop: `for feedback in cornerman.follow("cam1")`."""
    with asyncio.Runner() as runner:
        feedback = subscribe(source_id, redis=redis, since=since)

        async def next_one() -> Feedback:
            return await anext(feedback)

        try:
            # The loop runs only while the caller waits for the next feedback.
            while True:
                yield runner.run(next_one())
        finally:
            # Closes the connection when the caller stops early.
            runner.run(feedback.aclose())
