"""Echo, threads, JPEGs, and the OpenAI client against a local HTTP server."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import av
import numpy as np
import pytest

from cornerman_generator.backends import make_generator
from cornerman_generator.data_uri import jpeg
from cornerman_generator.echo import EchoGenerator
from cornerman_generator.openai import OpenAIGenerator
from cornerman_generator.protocol import TextDelta
from cornerman_generator.threads import in_thread
from cornerman_shared.bus.chunk_input import ChunkInput
from cornerman_shared.bus.messages import Request, Sampling
from cornerman_shared.errors import ConfigError, GenerationError
from cornerman_shared.settings.tree import GeneratorSettings

MakeRequest = Callable[..., Request]


async def text_of(deltas: AsyncIterator[TextDelta]) -> str:
    return "".join([delta.text async for delta in deltas])


async def test_echo_streams_request_by_word(request_for: MakeRequest, chunks: list[ChunkInput]) -> None:
    deltas = [delta async for delta in EchoGenerator().generate(request_for(), chunks)]
    assert "".join(d.text for d in deltas) == "correct at 2.50 s, chunks 2-3: How is the squat?"
    assert {d.n_tokens for d in deltas} == {1}
    short = request_for(sampling=Sampling(max_new_tokens=2), kind="question", chunks=())
    assert await text_of(EchoGenerator().generate(short, [])) == "answer at"


async def test_thread_streams_items_then_error() -> None:
    second = threading.Event()

    def items(cancel: threading.Event) -> Iterator[int]:
        yield 1
        second.wait(60)
        yield 2
        raise GenerationError("no more")

    with ThreadPoolExecutor(1) as pool:
        iterator = in_thread(items, pool)
        assert await anext(iterator) == 1
        second.set()
        assert await anext(iterator) == 2
        with pytest.raises(GenerationError, match="no more"):
            await anext(iterator)


async def test_closing_iterator_stops_thread() -> None:
    made: list[int] = []

    def items(cancel: threading.Event) -> Iterator[int]:
        for i in range(1_000_000):
            if cancel.is_set():
                return
            made.append(i)
            yield i
            threading.Event().wait(0.001)

    with ThreadPoolExecutor(1) as pool:
        iterator: Any = in_thread(items, pool)
        assert await anext(iterator) == 0
        await iterator.aclose()
        count = len(made)
        await asyncio.sleep(0.02)
        assert len(made) == count < 1_000_000


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize("shape", [(48, 64, 3), (31, 45, 3)])
def test_jpeg_decodes_to_the_frame(shape: tuple[int, int, int]) -> None:
    ramp = np.linspace(0, 255, shape[1], dtype=np.uint8)
    frame = np.broadcast_to(ramp[None, :, None], shape).copy()
    data = jpeg(frame)
    assert data[:3] == b"\xff\xd8\xff"
    with av.open(io.BytesIO(data), format="mjpeg") as container:
        shown = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    assert abs(shown.shape[0] - shape[0]) <= 1 and abs(shown.shape[1] - shape[1]) <= 1
    wanted = np.linspace(0, 255, shown.shape[1])[None, :, None]
    assert np.abs(shown - wanted).mean() < 4


def chat_lines(*texts: str, usage: int = 0) -> list[str]:
    lines = ["data: " + json.dumps({"choices": [{"delta": {"content": text}}]}) for text in texts]
    if usage:
        lines.append("data: " + json.dumps({"choices": [], "usage": {"prompt_tokens": usage}}))
    return [": keep-alive", *lines, "data: [DONE]"]


def openai(url: str, **changes: Any) -> OpenAIGenerator:
    settings = GeneratorSettings(backend="openai", base_url=url, model="m", api_key="s3cret", timeout_s=60, **changes)
    generator = make_generator(settings)
    assert isinstance(generator, OpenAIGenerator)
    return generator


async def test_openai_sends_frames_streams_text(
    request_for: MakeRequest, chunks: list[ChunkInput], http_server: Any
) -> None:
    http_server.lines = chat_lines("Bend", " your", " knees.", usage=321)
    generator = openai(http_server.url)
    request = request_for(system_prompt="Be brief.", sampling=Sampling(7, 0.5, 0.9), traceparent=TRACE)
    deltas = [delta async for delta in generator.generate(request, chunks)]
    await generator.close()
    assert "".join(d.text for d in deltas) == "Bend your knees."
    assert sum(d.n_tokens for d in deltas) == 3
    assert deltas[-1].n_input_tokens == 321
    ((path, headers, body),) = http_server.requests
    assert path == "/v1/chat/completions"
    assert body["stream_options"] == {"include_usage": True}
    assert (headers["Authorization"], headers["traceparent"]) == ("Bearer s3cret", TRACE)
    assert (body["model"], body["max_tokens"], body["temperature"], body["top_p"]) == ("m", 7, 0.5, 0.9)
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    *images, text = body["messages"][1]["content"]
    assert text == {"type": "text", "text": request.prompt}
    assert len(images) == 12, "two chunks that share four frames"
    uri = images[-1]["image_url"]["url"]
    assert uri.startswith("data:image/jpeg;base64,")
    assert base64.b64decode(uri.split(",")[1])[:3] == b"\xff\xd8\xff"


@pytest.mark.parametrize("traceparent", ["x\r\nAuthorization: y", "é", "a" * 70_000, "00-0-0-01"])
async def test_odd_trace_goes_to_no_server(
    request_for: MakeRequest, chunks: list[ChunkInput], http_server: Any, traceparent: str
) -> None:
    http_server.lines = chat_lines("Bend.")
    generator = openai(http_server.url)
    deltas = [delta async for delta in generator.generate(request_for(traceparent=traceparent), chunks)]
    await generator.close()
    assert "".join(d.text for d in deltas) == "Bend."
    ((_, headers, _),) = http_server.requests
    assert "traceparent" not in headers and headers["Authorization"] == "Bearer s3cret"


@pytest.mark.parametrize(
    ("status", "lines", "message"),
    [
        (401, ["no such key"], r"answered 401: no such key"),
        (200, ['data: {"error": {"message": "out of memory"}}'], "reports.*out of memory"),
        (200, ["data: {nonsense"], "other than a JSON object"),
        (200, ['data: {"choices": [{"delta": {"content": "Ben"}}]}'], "broke off"),
    ],
    ids=["refused", "error event", "no JSON", "broken off"],
)
async def test_server_error_keeps_its_message(
    request_for: MakeRequest, chunks: list[ChunkInput], http_server: Any, status: int, lines: list[str], message: str
) -> None:
    http_server.status, http_server.lines = status, lines
    generator = openai(http_server.url)
    with pytest.raises(GenerationError, match=message):
        await text_of(generator.generate(request_for(), chunks))
    await generator.close()


async def test_line_without_end_is_refused(
    request_for: MakeRequest, chunks: list[ChunkInput], http_server: Any
) -> None:
    http_server.lines = ["data: " + "x" * 200_000]
    generator = openai(http_server.url, max_line_bytes=65_536)
    with pytest.raises(GenerationError, match=r"more than 65536 bytes \(generator\.max_line_bytes\)"):
        await text_of(generator.generate(request_for(), chunks))
    await generator.close()


async def test_unreachable_server_error_hides_key(request_for: MakeRequest, chunks: list[ChunkInput]) -> None:
    generator = openai("http://user:pass@127.0.0.1:1/v1")
    with pytest.raises(GenerationError, match="failed") as caught:
        await text_of(generator.generate(request_for(), chunks))
    await generator.close()
    assert "pass" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


async def test_closing_ends_the_connection(
    request_for: MakeRequest, chunks: list[ChunkInput], http_server: Any
) -> None:
    http_server.lines, http_server.pause_s = chat_lines(*["word "] * 5000), 0.02
    generator = openai(http_server.url)
    iterator: Any = generator.generate(request_for(), chunks)
    assert (await anext(iterator)).text == "word "
    await iterator.aclose()
    assert await asyncio.to_thread(http_server.closed_early.wait, 60)
    await generator.close()


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"base_url": "", "model": "m"}, r"generator\.base_url = ''"), ({"model": ""}, r"generator\.model is empty")],
)
def test_incomplete_openai_settings_are_refused(changes: dict[str, str], message: str) -> None:
    settings = GeneratorSettings(**{"backend": "openai", "base_url": "http://h/v1", "model": "m", **changes})
    with pytest.raises(ConfigError, match=message):
        make_generator(settings)


async def test_compressed_answer_is_refused(
    request_for: MakeRequest, chunks: list[ChunkInput], http_server: Any
) -> None:
    """64 KB of gzip may hold 64 MB."""
    http_server.encoding = "gzip"
    generator = openai(http_server.url)
    with pytest.raises(GenerationError, match="compresses its answer"):
        await text_of(generator.generate(request_for(), chunks))
    await generator.close()


@pytest.mark.parametrize(
    "piece",
    [
        '{"choices":{"0":1}}',
        '{"choices":7}',
        '{"choices":[null]}',
        '{"choices":[{"delta":[1]}]}',
        '{"choices":[{"delta":{"content":[{"text":"hi"}]}}]}',
        '{"choices":[{"delta":{"content":5}}]}',
        '{"choices":[],"usage":{"completion_tokens":1.5}}',
        '{"choices":[],"usage":"x"}',
        '{"choices":[],"usage":{"prompt_tokens":"x"}}',
        '{"choices":[],"usage":{"prompt_tokens":1e400}}',
        '{"choices":[],"usage":{"prompt_tokens":-5}}',
        '{"choices":[],"usage":{"prompt_tokens":10000000000000000000000000000000000000000}}',
        '{"choices":[],"usage":{"prompt_tokens":' + "1" * 5000 + "}}",
        "[" * 100_000,
    ],
)
async def test_odd_piece_names_the_server(
    request_for: MakeRequest, chunks: list[ChunkInput], http_server: Any, piece: str
) -> None:
    http_server.lines = [f"data: {piece}", "data: [DONE]"]
    generator = openai(http_server.url)
    with pytest.raises(GenerationError, match=r"127\.0\.0\.1.*(another form|other than a JSON object)"):
        await text_of(generator.generate(request_for(), chunks))
    await generator.close()
