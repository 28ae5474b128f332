"""The generator process: as many requests at once as there are slots."""

from __future__ import annotations

import asyncio

from cornerman_generator.backends import make_generator
from cornerman_generator.core import Generator
from cornerman_generator.hops import ReplyOutcome, end_hop
from cornerman_generator.request_worker import RequestWorker
from cornerman_shared.bus.consumer import Consumer
from cornerman_shared.bus.hop import Hop
from cornerman_shared.bus.messages import Request
from cornerman_shared.bus.streams import GROUP_GENERATOR
from cornerman_shared.process.runtime import Context


async def generate_loop(context: Context) -> None:
    """Loads the back end, then answers until the process is told to stop."""
    with context.health.loading():
        generator = await asyncio.to_thread(make_generator, context.settings.generator)
    context.log.info("generator_ready", model=generator.model, backend=context.settings.generator.backend)
    try:
        await answer_loop(context, generator)
    finally:
        await generator.close()


async def answer_loop(context: Context, generator: Generator) -> None:
    """Until the process is told to stop; what is being said then is finished, what waits is handed over."""
    bus, slots = context.bus, context.settings.generator.concurrency

    def tombstone(request: Request, reason: str) -> Hop:
        """A request that was delivered too often still gets its one end."""
        outcome = ReplyOutcome("failed", 0, generator.model, cause=f"generators died on it: {reason}")
        return end_hop(bus.keys(request.source_id), context.settings.bus, request, outcome, bus.clock.now_s())

    consumer = Consumer(
        bus,
        [keys.requests for keys in bus.all_keys()],
        GROUP_GENERATOR,
        Request,
        context.name,
        slots=slots,
        tombstone=tombstone,
        count=context.count_entry,
    )

    async def stop() -> None:
        await context.stopping.wait()
        consumer.stop()

    async with consumer, asyncio.TaskGroup() as answers:
        answers.create_task(stop())
        while deliveries := await consumer.take(slots):
            if context.stopping.is_set():
                break
            context.progress(consumer.busy)
            for delivery in deliveries:
                answer = RequestWorker(bus, generator, context.metrics, delivery)
                answers.create_task(answer.run(), name=delivery.message.request_id)
