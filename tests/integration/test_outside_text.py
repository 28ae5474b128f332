"""Text from outside on a real server: halves of emoji, escape sequences and secrets end no service."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import numpy as np

from cornerman_gateway.app_state import AppState
from cornerman_generator.backends import make_generator
from cornerman_shared.bus.codec import pack, pack_map, unpack_map
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import ChunkRef, ErrorEvent
from cornerman_shared.bus.registry import get_source
from cornerman_shared.errors import GenerationError
from cornerman_shared.redact import remember_url
from cornerman_shared.settings.source import MAX_PROMPT, SourceSpec
from cornerman_shared.settings.tree import GeneratorSettings, Settings
from tests.integration.gateway_harness import caller, gateway
from tests.integration.generator_harness import ScriptedGenerator, ended, request, send, worker
from tests.integration.service_harness import SOURCE, events
from tests.integration.waiting import PATIENCE_S, until

HALVES = (r"Up \ud83c", r"\udfcb!", r" \ud83d")


@contextlib.asynccontextmanager
async def half_server() -> AsyncIterator[str]:
    """A chat server that streams UTF-16 halves of emoji; yields its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        lines = [f'data: {{"choices": [{{"delta": {{"content": "{half}"}}}}]}}\n' for half in HALVES]
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + "".join(lines).encode())
        writer.write(b"data: [DONE]\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


async def test_utf16_halves_end_no_generator(bus: Bus) -> None:
    """A server that streamed an emoji cut in two ended all five services within 8 s."""
    pixels = np.zeros((1, 8, 8, 3), np.uint8)
    ref = ChunkRef(
        3, 2.5, (2.5,), None, None, await bus.put_blob(bus.keys(SOURCE).blob(SOURCE, "r1", 3, "frames"), pixels, 60)
    )
    async with half_server() as url:
        settings = GeneratorSettings(backend="openai", base_url=url, model="m", timeout_s=PATIENCE_S)
        async with worker(bus, make_generator(settings)):
            await send(bus, request(chunks=(ref,)), request(4, chunks=(ref,)))
            ends = await until(lambda: ended(bus, 2))
    assert [(end.status, end.text) for end in ends] == [("done", "Up \N{WEIGHT LIFTER}! \ufffd")] * 2


async def fail() -> None:
    raise GenerationError("no 'hunter22/x' \x1b[31m\ud83c")


async def test_failure_hides_secret_and_escape(bus: Bus) -> None:
    remember_url("http://user:hunter22/x@models/v1")
    async with worker(bus, ScriptedGenerator(fail)):
        await send(bus, request())
        (end,) = await until(lambda: ended(bus))
    assert end.cause == "no '***' [31m\ufffd"
    assert [event.message for event in await events(bus, ErrorEvent)] == [end.cause]


async def test_long_reply_is_bounded(bus: Bus) -> None:
    async with worker(bus, ScriptedGenerator(*["word "] * 5_000), max_reply_chars=100):
        await send(bus, request())
        (end,) = await until(lambda: ended(bus))
    assert (end.status, len(end.text)) == ("done", 100)


async def test_prompt_with_half_is_stored(settings: Settings, bus: Bus) -> None:
    web = settings.model_copy(update={"gateway": settings.gateway.model_copy(update={"port": 0})})
    body = '{"source_id": "cam", "url": "test://pattern", "say": {"prompt": "Count \\ud83c."}}'
    headers = {"Content-Type": "application/json"}
    async with gateway(web, bus) as (url, state), caller(url) as client:
        assert isinstance(state, AppState)
        made = await client.post("/api/sources", content=body, headers=headers)
        assert (made.status_code, made.json()["say"]["prompt"]) == (201, "Count \ufffd.")
        long = await client.patch("/api/sources/cam", json={"say": {"prompt": "x" * (MAX_PROMPT + 1)}})
        assert long.status_code == 422
        assert str(MAX_PROMPT) in long.json()["detail"]
        asked = await client.post("/api/sources/cam/questions", content='{"text": "\\ud83c?"}', headers=headers)
        assert asked.status_code == 202
        wrong = await client.post(
            "/api/sources", content='{"source_id": "b", "url": "http://\\ud83c/"}', headers=headers
        )
        assert wrong.status_code == 422


async def test_unbounded_prompt_on_bus_is_cut(bus: Bus) -> None:
    stored = SourceSpec(source_id=SOURCE, url="test://pattern").model_dump(mode="json")
    stored["say"]["prompt"] = "x" * 20_000
    await bus.redis.hset(bus.keys(SOURCE).sources, SOURCE, pack_map(stored))
    spec = await get_source(bus, SOURCE)
    assert spec is not None
    assert len(spec.say.prompt) == MAX_PROMPT


def test_bus_takes_and_gives_valid_text() -> None:
    assert unpack_map(pack_map({"text": "a\ud83c"})) == {"text": "a?"}
    assert unpack_map(b"\x81\xa1t\xa2a\xff") == {"t": "a\ufffd"}
    assert b"half" in pack(request(prompt="half \ud83c"))
