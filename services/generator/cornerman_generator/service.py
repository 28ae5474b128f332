"""Generator process: answers as many requests at once as there are slots."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from cornerman_common.abilities import GENERAL, reported_models, speaker_abilities
from cornerman_common.question_scope import decline
from cornerman_generator.backends import make_generator
from cornerman_generator.hops import ReplyOutcome, end_hop
from cornerman_generator.owner_words import OwnerFirst
from cornerman_generator.reply_text import BoundedGenerator
from cornerman_generator.request_worker import RequestWorker
from cornerman_shared.aio import background
from cornerman_shared.bus.commit import give_up
from cornerman_shared.bus.consumer import Consumer
from cornerman_shared.bus.messages import Request
from cornerman_shared.bus.streams import GROUP_GENERATOR, NOTE_ENDED
from cornerman_shared.bus.wakeups import Wakeups, named
from cornerman_shared.errors import is_contained
from cornerman_shared.process.logs import about

if TYPE_CHECKING:
    from cornerman_common.abilities import Abilities
    from cornerman_generator.protocol import Generator
    from cornerman_shared.bus.delivery import Delivery
    from cornerman_shared.bus.hop import Hop
    from cornerman_shared.process.runtime import Context


async def generate_loop(context: Context) -> None:
    """Loads the back end, then answers requests until the process is told to stop.

    Raises:
        ConfigError: the back end cannot be loaded.
    """
    settings = context.settings.generator
    # Before it is loaded: a command that starts meanwhile chooses what goes with it.
    context.health.report_models(**reported_models(settings))
    with context.health.loading():
        generator = await asyncio.to_thread(make_generator, settings, context.bus.clock)
    abilities = speaker_abilities(settings)
    context.health.report_models(placement=str(getattr(generator, "placement", "")))
    context.log.info("generator_ready", model=generator.model, backend=context.settings.generator.backend)
    try:
        await answer_loop(context, generator, abilities)
    finally:
        await generator.close()


async def answer_loop(context: Context, generator: Generator, abilities: Abilities = GENERAL) -> None:
    """Answers requests until the process is told to stop; then finishes those in work and releases those that wait."""
    bus, slots = context.bus, context.settings.generator.slots
    generator = OwnerFirst(BoundedGenerator(generator, context.settings.generator.max_reply_chars))

    def tombstone(request: Request, reason: str) -> Hop:
        """The one end of a request that was delivered too often."""
        outcome = ReplyOutcome("failed", 0, generator.model, cause=f"generators died on it: {reason}")
        return end_hop(bus.keys(request.source_id), context.settings.bus, request, outcome, bus.clock.now_s())

    consumer = Consumer(
        bus,
        [keys.requests for keys in bus.all_keys()],
        GROUP_GENERATOR,
        Request,
        context.name,
        slots=slots,
        # From the third time on: the first death may be due to a request beside it, and alone means waiting for others.
        alone_from=3,
        count_begun=True,
        tombstone=tombstone,
        count=context.count_entry,
    )

    async def stop() -> None:
        await context.stopping.wait()
        consumer.stop()

    declines = partial(decline, abilities=abilities)
    # Counts those that another worker took from us and that still stop; the consumer no longer counts them.
    free = asyncio.Semaphore(slots)
    working: set[RequestWorker] = set()
    spent = 0.0  # since the process started

    async def answer(delivery: Delivery[Request]) -> None:
        async with free:
            worker = RequestWorker(bus, generator, context.metrics, delivery, declines)
            working.add(worker)
            try:
                with about(delivery.message):
                    await worker.run()
                if worker.cost:
                    nonlocal spent
                    spent += worker.cost
                    context.health.report(cost=round(spent, 6))
            except Exception as error:
                if not is_contained(error):
                    raise
                reason = f"{type(error).__name__}: {error}"
                context.log.exception("request_failed", request_id=delivery.message.request_id)
                await give_up(delivery, reason, tombstone(delivery.message, reason))
            finally:
                working.discard(worker)

    wakeups = Wakeups(bus, bus.all_keys())

    async def stop_ended() -> None:
        while True:
            ended = named(await wakeups.take(None), NOTE_ENDED)
            for worker in working:
                if worker.request_id in ended:
                    worker.look()

    # The task group is inside the consumer: entries keep their heartbeat until their workers have ended.
    async with background(wakeups.listen(), stop_ended()), consumer, asyncio.TaskGroup() as workers:
        workers.create_task(stop())
        while deliveries := await consumer.take(slots):
            if context.stopping.is_set():
                break  # leaving the consumer releases these entries to other workers
            context.progress(consumer.busy)
            for delivery in deliveries:
                workers.create_task(answer(delivery), name=delivery.message.request_id)
