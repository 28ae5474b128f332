"""Attacks on the gateway: half-sent requests, guessed tokens, forged addresses, files and models by request."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator

import pytest

from cornerman_gateway.connections import client_key, proxy_networks
from cornerman_shared.bus.connection import Bus
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.tree import Settings
from tests.integration.gateway_harness import caller, gateway
from tests.integration.waiting import PATIENCE_S

TOKEN = "a-token-of-some-length"


def with_web(settings: Settings, **changes: object) -> Settings:
    web = settings.gateway.model_copy(update={"port": 0, **changes})
    return settings.model_copy(update={"gateway": web})


@contextlib.asynccontextmanager
async def half_sent(url: str, count: int, text: bytes) -> AsyncIterator[list[asyncio.StreamReader]]:
    """Connections that send the beginning of a request and no more."""
    host, port = url.removeprefix("http://").split(":")
    readers, writers = [], []
    for _ in range(count):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(text)
        readers.append(reader)
        writers.append(writer)
    try:
        yield readers
    finally:
        for writer in writers:
            writer.close()


async def test_half_sent_requests_stop_nobody(settings: Settings, bus: Bus) -> None:
    """1,100 of them stopped the gateway for as long as they stayed."""
    bounded = with_web(settings, max_connections=32, max_connections_per_client=16, head_timeout_s=PATIENCE_S)
    async with gateway(bounded, bus) as (url, _), half_sent(url, 120, b"GET / HTTP/1.1\r\nHost:") as readers:
        async with caller(url) as client:
            assert (await client.get("/api/sources")).status_code == 200
        closed = await asyncio.wait_for(readers[0].read(), PATIENCE_S)
        assert closed.startswith(b"HTTP/1.1 408")


KINDS = {
    "nothing": b"",
    "half a head": b"GET / HTTP/1.1\r\nHost:",
    "half a login": b"POST /api/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{",
    "half a refused body": b"POST /api/sources HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{",
    "answered and kept open": b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("kind", KINDS)
async def test_many_strangers_stop_nobody(settings: Settings, bus: Bus, kind: str) -> None:
    """1,100 connections without a token, with the default bounds: others are answered meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # Each connection takes a descriptor at both ends, and both ends are in this process.
    count = min(1_100, (hard - 200) // 2)
    locked = with_web(settings, token=TOKEN, head_timeout_s=PATIENCE_S, body_timeout_s=PATIENCE_S)
    try:
        async with gateway(locked, bus) as (url, _), half_sent(url, count, KINDS[kind]):
            for _ in range(3):
                async with caller(url) as client:
                    client.headers["Authorization"] = f"Bearer {TOKEN}"
                    assert (await client.get("/api/sources")).status_code == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_upload_in_progress_keeps_its_place(settings: Settings, bus: Bus) -> None:
    bounded = with_web(settings, max_connections=16, max_connections_per_client=8, body_timeout_s=PATIENCE_S)
    head = b"POST /api/uploads?name=a.mp4 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n"
    video = (b"\0\0\0\x18ftypmp42" + bytes(200_000))[:200_000]
    async with gateway(bounded, bus) as (url, _):
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(head + video[:150_000])
        await writer.drain()
        async with caller(url) as client:
            assert (await client.get("/livez")).status_code == 200
        async with half_sent(url, 60, b"GET / HTTP/1.1\r\nHost:"):
            writer.write(video[150_000:])
            await writer.drain()
            assert (await asyncio.wait_for(reader.readline(), PATIENCE_S)).split()[1] in (b"200", b"201")
        writer.close()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost:",
        b"POST /api/sources HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{",
        b"POST /api/uploads?name=a.mp4 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nab",
    ],
    ids=["nothing", "half a head", "half a body", "half an upload"],
)
async def test_late_request_is_closed(settings: Settings, bus: Bus, text: bytes) -> None:
    impatient = with_web(settings, head_timeout_s=0.2, body_timeout_s=0.2)
    async with gateway(impatient, bus) as (url, _), half_sent(url, 1, text) as (reader,):
        assert (await asyncio.wait_for(reader.read(), PATIENCE_S))[:12] in (b"HTTP/1.1 408", b"")


async def test_busy_connections_are_not_given_up(settings: Settings, bus: Bus) -> None:
    bounded = with_web(
        settings, max_connections=8, max_connections_per_client=4, head_timeout_s=0.2, body_timeout_s=0.2
    )
    async with gateway(bounded, bus) as (url, _), contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(caller(url)) for _ in range(4)]
        streams = [await stack.enter_async_context(client.stream("GET", "/api/events")) for client in clients]
        assert [stream.status_code for stream in streams] == [200] * 4
        async with caller(url) as fifth:
            assert (await fifth.get("/api/sources")).status_code == 503


async def test_guessed_bearer_tokens_are_limited(settings: Settings, bus: Bus) -> None:
    locked = with_web(settings, token=TOKEN, guesses_per_minute=10)
    async with gateway(locked, bus) as (url, _), caller(url) as client:
        assert (await client.post("/api/session", json={"token": TOKEN})).status_code == 204
        codes = []
        for n in range(8):
            headers = {"Authorization": f"Bearer guess-{n}-of-sixteen"}
            codes.append((await client.get("/api/sources", headers=headers)).status_code)
        assert codes == [401] * 5 + [429] * 3
        right = {"Authorization": f"Bearer {TOKEN}"}
        assert (await client.get("/api/sources", headers=right)).status_code == 429
        assert (await client.get("/api/sources")).status_code == 200  # the session's cookie goes on


@pytest.mark.parametrize(("proxies", "expected"), [((), [401] * 5 + [429] * 3), (("127.0.0.1",), [401] * 8)])
async def test_only_named_proxy_forwards_addresses(
    settings: Settings, bus: Bus, proxies: tuple[str, ...], expected: list[int]
) -> None:
    locked = with_web(settings, token=TOKEN, trusted_proxies=list(proxies))
    async with gateway(locked, bus) as (url, _), caller(url) as client:
        codes = []
        for n in range(8):
            headers = {"Authorization": "Bearer wrong-token-here", "X-Forwarded-For": f"192.0.2.{n}"}
            codes.append((await client.get("/api/sources", headers=headers)).status_code)
        assert codes == expected


async def test_models_come_only_from_lists(settings: Settings, bus: Bus) -> None:
    generator = settings.generator.model_copy(update={"adapters": {"yoga": "/models/yoga"}})
    listed = with_web(settings, heads=["/models/head"]).model_copy(update={"generator": generator})
    new = {"source_id": "cam", "url": "test://pattern"}
    async with gateway(listed, bus) as (url, _), caller(url) as client:
        for part in ({"say": {"adapter": "evil/hub-name"}}, {"speak": {"head": "/etc"}}):
            refused = await client.post("/api/sources", json={**new, **part})
            assert refused.status_code == 422
            assert "is not listed in" in refused.json()["detail"]
        allowed = {"say": {"adapter": "yoga"}, "speak": {"head": "/models/head"}}
        assert (await client.post("/api/sources", json={**new, **allowed})).status_code == 201
        changed = await client.patch("/api/sources/cam", json={"say": {"adapter": "/other"}})
        assert changed.status_code == 422
        assert (await client.patch("/api/sources/cam", json=allowed)).status_code == 200


@pytest.mark.parametrize(
    "url", ["rtsp://admin:12345/s3cret@camera/live", "rtsp://a:s3cret?x@camera", "http://h:1/s3cret@x"]
)
async def test_password_with_slash_is_refused(settings: Settings, bus: Bus, url: str) -> None:
    async with gateway(with_web(settings), bus) as (address, _), caller(address) as client:
        answer = await client.post("/api/sources", json={"source_id": "cam", "url": url})
    assert answer.status_code == 422
    assert "%2F" in answer.text
    assert "s3cret" not in answer.text


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1:2", "2001:db8::/64"),
        ("unix", "unix"),
    ],
)
def test_client_is_address_or_network(address: str, expected: str) -> None:
    assert client_key(address) == expected


def test_wrong_proxy_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"gateway\.trusted_proxies.*10\.0\.0\.0/24"):
        proxy_networks(["proxy.local"])
