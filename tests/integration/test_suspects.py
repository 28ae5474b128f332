"""A chunk that kills its encoder natively costs only itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from cornerman_encoder.core import EncoderOutput, Pixels
from cornerman_encoder.fake import FakeEncoder
from cornerman_encoder.service import EncoderWorker
from cornerman_shared.bus.codec import unpack
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import Chunk, DeadLetter
from cornerman_shared.bus.streams import FIELD
from tests.integration.service_harness import service_context
from tests.integration.test_encoder_service import SOURCE, chunk, has, send
from tests.integration.waiting import until

POISON = 5


class NativeCrash(BaseException):
    """Stands for the death of the process: neither caught nor settled by the worker."""


class Mortal(FakeEncoder):
    """Dies on the poisoned chunk; records its batches."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[int]] = []

    def encode(self, chunks: Sequence[Chunk], frames: Sequence[Pixels]) -> list[EncoderOutput]:
        self.batches.append([each.seq for each in chunks])
        if POISON in self.batches[-1]:
            raise NativeCrash
        return super().encode(chunks, frames)


async def test_poisoned_chunk_costs_only_itself(bus: Bus) -> None:
    """One such chunk buried seven, five of them of other sources."""
    few = bus.settings.model_copy(update={"bus": bus.settings.bus.model_copy(update={"max_deliveries": 3})})
    async with Bus.connect(few) as own:
        await encode_with_poison(own)


async def encode_with_poison(bus: Bus) -> None:
    encoder, deaths = Mortal(), 0
    await send(bus, *[await chunk(bus, seq) for seq in range(16)])

    async def supervise() -> None:
        nonlocal deaths
        while True:
            try:
                await EncoderWorker(service_context(bus, "encoder", f"e{deaths}"), encoder).run()
            except* NativeCrash:
                deaths += 1

    supervision = asyncio.create_task(supervise())
    found = await until(lambda: has(bus, 16))
    supervision.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await supervision
    assert {one.seq: one.status for one in found} == {seq: "buried" if seq == POISON else "ok" for seq in range(16)}
    rows = await bus.redis.xrange(bus.keys(SOURCE).dead)
    letters = [unpack(fields[FIELD], DeadLetter) for _, fields in rows]
    assert [unpack(letter.body, Chunk).seq for letter in letters] == [POISON]
    assert deaths == bus.settings.bus.max_deliveries
    assert all(batch == [POISON] for batch in encoder.batches if POISON in batch and batch != [4, 5, 6, 7])
