"""OpenAI back end: reasoning fields, counted tokens, retries, adapters and many pictures, against a local server."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import structlog.testing

from cornerman_generator import server_retries, token_count
from cornerman_generator.backends import make_generator
from cornerman_generator.openai import OpenAIGenerator
from cornerman_generator.protocol import TextDelta
from cornerman_generator.reply_text import BoundedGenerator
from cornerman_generator.server_retries import is_temporary, wait_asked_s
from cornerman_shared.bus.chunk_input import ChunkInput
from cornerman_shared.bus.messages import ChunkRef, Request
from cornerman_shared.clock import VirtualClock
from cornerman_shared.errors import GenerationError
from cornerman_shared.settings.tree import GeneratorSettings

MakeRequest = Callable[..., Request]
BUSY: tuple[int, dict[str, str], str] = (503, {"Retry-After": "0"}, "loading")


def settings(url: str, **changes: Any) -> GeneratorSettings:
    return GeneratorSettings(**{"backend": "openai", "base_url": url, "model": "m", **changes})


def lines(*deltas: dict[str, Any], usage: Mapping[str, float] | None = None) -> list[str]:
    events: list[dict[str, Any]] = [{"choices": [{"delta": delta}]} for delta in deltas]
    if usage:
        events.append({"choices": [], "usage": usage})
    return ["data: " + json.dumps(event) for event in events] + ["data: [DONE]"]


async def replies(
    url: str, request: Request, chunks: list[ChunkInput], clock: VirtualClock | None = None, **changes: Any
) -> list[TextDelta]:
    generator = BoundedGenerator(make_generator(settings(url, **changes), clock), 8000)
    try:
        return [delta async for delta in generator.generate(request, chunks)]
    finally:
        await generator.close()


def text_of(deltas: list[TextDelta]) -> str:
    return "".join(delta.text for delta in deltas)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "thinking"])
async def test_reasoning_field_is_not_spoken(
    request_for: MakeRequest, chunks: list[ChunkInput], http_server: Any, field: str
) -> None:
    usage = {"prompt_tokens": 900, "completion_tokens": 41}
    http_server.lines = lines(
        {"role": "assistant", field: "Hm", "content": None}, {field: " so"}, {"content": "Knees out."}, usage=usage
    )
    deltas = await replies(http_server.url, request_for(), chunks)
    assert text_of(deltas) == "Knees out."
    assert sum(delta.n_tokens for delta in deltas) == 3
    assert (deltas[-1].n_input_tokens, deltas[-1].n_reply_tokens, deltas[-1].guessed) == (900, 41, False)


async def test_content_in_parts_is_read(request_for: MakeRequest, chunks: list[ChunkInput], http_server: Any) -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}
    http_server.lines = lines({"content": [thinking]}, {"content": [{"type": "text", "text": "Knees out."}]})
    assert text_of(await replies(http_server.url, request_for(), chunks)) == "Knees out."


async def test_split_think_tag_is_not_spoken(
    request_for: MakeRequest, chunks: list[ChunkInput], http_server: Any
) -> None:
    http_server.lines = lines(*({"content": text} for text in ("<th", "ink>Hm", "</", "think>", "\n\nKnees", " out.")))
    assert text_of(await replies(http_server.url, request_for(), chunks)) == "Knees out."


async def test_reasoning_without_answer_fails(
    request_for: MakeRequest, chunks: list[ChunkInput], http_server: Any
) -> None:
    http_server.lines = lines({"reasoning_content": "Hm"}, usage={"prompt_tokens": 9, "completion_tokens": 128})
    with pytest.raises(GenerationError, match="reasoned for 128 tokens"):
        await replies(http_server.url, request_for(), chunks)


async def test_blank_text_is_no_answer(request_for: MakeRequest, chunks: list[ChunkInput], http_server: Any) -> None:
    http_server.lines = lines({"reasoning_content": "Hm"}, {"content": "\n\n"})
    with pytest.raises(GenerationError, match="reasoned for 2 tokens"):
        await replies(http_server.url, request_for(), chunks)


async def test_counts_may_be_whole_floats(request_for: MakeRequest, chunks: list[ChunkInput], http_server: Any) -> None:
    http_server.lines = lines({"content": "Yes."}, usage={"prompt_tokens": 900.0, "completion_tokens": 41.0})
    last = (await replies(http_server.url, request_for(), chunks))[-1]
    assert (last.n_input_tokens, last.n_reply_tokens, last.guessed) == (900, 41, False)


async def test_missing_usage_is_said_once(
    request_for: MakeRequest, chunks: list[ChunkInput], http_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_count, "_TOLD", set())
    http_server.lines = lines({"content": "Knees"}, {"content": " out."})
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            deltas = await replies(http_server.url, request_for(), chunks)
            assert (deltas[-1].guessed, sum(delta.n_tokens for delta in deltas)) == (True, 2)
    assert [entry["event"] for entry in logs] == ["usage_missing"]


async def test_server_that_refuses_to_count(
    request_for: MakeRequest, chunks: list[ChunkInput], http_server: Any
) -> None:
    http_server.first = [(400, {}, "unknown field: stream_options")]
    http_server.lines = lines({"content": "Knees out."})
    generator = make_generator(settings(http_server.url))
    for _ in range(2):
        assert text_of([delta async for delta in generator.generate(request_for(), chunks)]) == "Knees out."
    await generator.close()
    assert ["stream_options" in body for _, _, body in http_server.requests] == [True, False, False]


def many(frames: int) -> list[ChunkInput]:
    """One look of so many frames, every one of another grey."""
    pts = tuple(i / 4 for i in range(frames))
    pixels = np.stack([np.full((20, 20, 3), i, np.uint8) for i in range(frames)])
    return [ChunkInput(ChunkRef(0, pts[-1], pts, None, None, None), frames=pixels)]


@pytest.mark.parametrize("frames", [1, 16, 40])
async def test_every_picture_is_sent(request_for: MakeRequest, http_server: Any, frames: int) -> None:
    http_server.lines = lines({"content": "Yes."})
    await replies(http_server.url, request_for(), many(frames), max_images=40)
    ((_, _, body),) = http_server.requests
    *images, _ = body["messages"][-1]["content"]
    assert len({image["image_url"]["url"] for image in images}) == len(images) == frames


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
async def test_busy_server_is_asked_again(
    request_for: MakeRequest, chunks: list[ChunkInput], http_server: Any, status: int
) -> None:
    http_server.first = [(status, {"Retry-After": "0"}, "busy")] * 2
    http_server.lines = lines({"content": "Knees out."})
    deltas = await replies(http_server.url, request_for(), chunks)
    assert text_of(deltas) == "Knees out."
    assert [delta.handled for delta in deltas if delta.handled] == ["server_busy"] * 2
    assert len(http_server.requests) == 3


async def test_error_before_first_piece_is_retried(
    request_for: MakeRequest, chunks: list[ChunkInput], http_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_retries, "BASE_S", 0.001)
    http_server.first = [(200, {}, 'data: {"error": {"code": 503, "message": "no slot"}}\n\n'), (200, {}, "")]
    http_server.lines = lines({"content": "Knees out."})
    assert text_of(await replies(http_server.url, request_for(), chunks)) == "Knees out."


async def test_reset_connection_is_retried(
    request_for: MakeRequest, chunks: list[ChunkInput], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that restarts, or a balancer that drops an old connection, sends a reset instead of an end."""
    monkeypatch.setattr(server_retries, "BASE_S", 0.001)
    resets = [0, len(b"HTTP/1.1 200 OK\r\n\r\n")]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if resets:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n"[: resets.pop()])
            await writer.drain()
            lingers = struct.pack("ii", 1, 0)  # closing discards, and tells the peer so
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingers)
            writer.transport.abort()
            return
        body = "\n\n".join(lines({"content": "Knees out."})) + "\n\n"
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body.encode())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server:
        deltas = await replies(f"http://{host}:{port}/v1", request_for(), chunks)
    assert text_of(deltas) == "Knees out."
    assert [delta.handled for delta in deltas if delta.handled] == ["server_busy"] * 2


async def test_nothing_is_retried_after_a_word(
    request_for: MakeRequest, chunks: list[ChunkInput], http_server: Any
) -> None:
    word = "data: " + json.dumps({"choices": [{"delta": {"content": "Knees"}}]}) + "\n\n"
    http_server.first = [(200, {}, word + 'data: {"error": {"code": 503}}\n\n')]
    http_server.lines = lines({"content": "Never."})
    with pytest.raises(GenerationError, match="reports"):
        await replies(http_server.url, request_for(), chunks)
    assert len(http_server.requests) == 1


@pytest.mark.parametrize(
    ("status", "headers", "detail"),
    [
        (400, {}, "bad"),
        (404, {}, "no model"),
        (501, {}, "never"),
        (429, {}, '{"code": "insufficient_quota"}'),
        (503, {"x-should-retry": "false"}, ""),
    ],
)
async def test_final_refusal_is_not_retried(
    request_for: MakeRequest,
    chunks: list[ChunkInput],
    http_server: Any,
    status: int,
    headers: dict[str, str],
    detail: str,
) -> None:
    http_server.first = [(status, headers, detail)]
    with pytest.raises(GenerationError, match=f"answered {status}"):
        await replies(http_server.url, request_for(), chunks)
    assert len(http_server.requests) == 1


async def test_retries_are_bounded(request_for: MakeRequest, chunks: list[ChunkInput], http_server: Any) -> None:
    http_server.first = [BUSY] * 9
    with pytest.raises(GenerationError, match=r"answered 503: loading; tried 3 times; it asks to wait 0 s"):
        await replies(http_server.url, request_for(), chunks, retries=2)
    assert len(http_server.requests) == 3


async def test_no_try_after_the_deadline(request_for: MakeRequest, chunks: list[ChunkInput], http_server: Any) -> None:
    clock = VirtualClock(1000.0)
    http_server.first = [(429, {"Retry-After": "4"}, "slow down")] * 2
    request = replace(request_for(), deadline_at_s=1003.0)
    with pytest.raises(GenerationError, match=r"wait 4 s, which is later than this request may wait \(3\.0 s\)"):
        await replies(http_server.url, request, chunks, clock)
    assert len(http_server.requests) == 1


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({}, None),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after": "7", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "Thu, 26 Nov 2026 10:00:05 GMT", "date": "Thu, 26 Nov 2026 10:00:00 GMT"}, 5.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:20 GMT"}, 10.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
    ],
)
def test_wait_that_a_server_asks_for(headers: dict[str, str], wanted: float | None) -> None:
    assert wait_asked_s(headers, now_s=10.0) == wanted


def test_statuses_worth_another_try() -> None:
    again = {status for status in range(100, 600) if is_temporary(status, {}, "")}
    assert {408, 425, 429, 500, 502, 503, 504, 529} <= again
    assert not again & {200, 301, 400, 401, 403, 404, 413, 422, 501, 505}


async def test_adapter_is_one_of_the_listed(
    request_for: MakeRequest, chunks: list[ChunkInput], http_server: Any
) -> None:
    http_server.lines = lines({"content": "Yes."})
    adapters = {"squats": "base-with-squats"}
    await replies(http_server.url, request_for(adapter="squats"), chunks, adapters=adapters)
    ((_, _, body),) = http_server.requests
    assert body["model"] == "base-with-squats"
    with pytest.raises(GenerationError, match=r"'gpt-dear' is not listed in generator\.adapters; listed are: squats"):
        await replies(http_server.url, request_for(adapter="gpt-dear"), chunks, adapters=adapters)


def test_slots_do_not_starve() -> None:
    slots = {backend: GeneratorSettings(backend=backend).slots for backend in ("openai", "vllm", "vlm", "echo")}
    assert slots == {"openai": 32, "vllm": 32, "vlm": 1, "echo": 1}
    assert GeneratorSettings(backend="openai", concurrency=2).slots == 2


def test_cost_of_tokens() -> None:
    assert GeneratorSettings(price_input=0.4, price_output=1.6).cost(1_000_000, 500_000) == pytest.approx(1.2)
    assert GeneratorSettings().cost(5, 5) == 0.0


def test_generator_takes_settings() -> None:
    assert isinstance(make_generator(settings("http://127.0.0.1:1/v1")), OpenAIGenerator)
