"""Every form of server URL: redis://, rediss:// and unix://, with password, user, certificate and database.

TCP and TLS end in a relay of the test, so that servers built without TLS can be used.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import redis.exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from cornerman_gateway.tls import self_signed
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import ErrorEvent
from cornerman_shared.errors import ConfigError, RetryableError
from cornerman_shared.settings.tree import Settings, load_settings
from tests.conftest import Server, fast_settings
from tests.integration.waiting import until_reading

SECRET = "s3c/ret@1"
QUOTED = "s3c%2Fret%401"


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: Path) -> None:
    """Copies bytes between a client and the server's unix socket until either side closes."""
    with contextlib.suppress(OSError, ssl.SSLError):
        there, back = await asyncio.open_unix_connection(str(path))

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, ssl.SSLError):
                while data := await source.read(65536):
                    sink.write(data)
                    await sink.drain()
            sink.close()

        await asyncio.gather(pump(reader, back), pump(there, writer))


@dataclass
class Place:
    """Addresses of the server."""

    socket: Path
    tcp: int
    tls: int
    certificate: str

    def fill(self, url: str) -> str:
        return (
            url.replace("SOCKET", str(self.socket))
            .replace("TCP", f"localhost:{self.tcp}")
            .replace("TLS", f"localhost:{self.tls}")
            .replace("CERT", self.certificate)
        )


@pytest.fixture
async def place(own_server: Server, own_bus: Bus, tmp_path: Path) -> AsyncIterator[Place]:
    certificate, key = self_signed(tmp_path / "tls", ["localhost"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    handlers: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        try:
            await _relay(reader, writer, own_server.socket)
        finally:
            writer.close()
            handlers.discard(task)

    await own_bus.redis.execute_command("ACL SETUSER", "ann", "on", f">{SECRET}", "~*", "&*", "+@all")
    await own_bus.redis.execute_command("ACL SETUSER", "default", "resetpass", f">{SECRET}")
    async with (
        await asyncio.start_server(handle, "localhost", 0) as plain,
        await asyncio.start_server(handle, "localhost", 0, ssl=context) as secure,
    ):
        ports = [server.sockets[0].getsockname()[1] for server in (plain, secure)]
        yield Place(own_server.socket, *ports, certificate)
        for task in list(handlers):
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)


def at(url: str, folder: Path) -> Settings:
    return fast_settings(url, folder)


@pytest.mark.parametrize(
    ("url", "database"),
    [
        (f"redis://:{QUOTED}@TCP", 0),
        (f"redis://default:{QUOTED}@TCP/0", 0),
        (f"redis://ann:{QUOTED}@TCP/3", 3),
        (f"redis://ann:{QUOTED}@TCP?db=4", 4),
        (f"rediss://ann:{QUOTED}@TLS?ssl_ca_certs=CERT", 0),
        (f"rediss://:{QUOTED}@TLS/5?ssl_ca_certs=CERT", 5),
        (f"unix://ann:{QUOTED}@SOCKET", 0),
        (f"unix://:{QUOTED}@SOCKET?db=2", 2),
    ],
)
async def test_every_url_form_works(place: Place, tmp_path: Path, url: str, database: int) -> None:
    """Runs scripts, a blob of 2 MB and a blocking read, all in the database of the URL."""
    async with Bus.connect(at(place.fill(url), tmp_path)) as bus, asyncio.timeout(60):
        await bus.ready(60)
        pixels = np.arange(2_000_000, dtype=np.uint32).view(np.uint8)
        ref = await bus.put_blob(bus.keys("cam").blob("cam", "r1", 0, "frames"), pixels, 60)
        assert (await bus.get_blob(ref) == pixels).all()
        first = asyncio.create_task(anext(bus.subscribe("cam", since="0")))
        await until_reading(bus)
        await bus.emit(ErrorEvent("cam", "r1", "capture", "hello", 1.0))
        _id, event = await first
        assert isinstance(event, ErrorEvent) and event.message == "hello"
    used = f"unix://:{QUOTED}@{place.socket}?db={{}}"
    for number in {0, database}:
        async with Bus.connect(at(used.format(number), tmp_path)) as other:
            assert bool(await other.redis.exists(ref.key)) == (number == database)


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        (f"rediss://ann:{QUOTED}@TLS", RetryableError, "certificate"),
        (f"redis://ann:{QUOTED}@TLS", RetryableError, "no server answered"),
        ("redis://TCP", ConfigError, "credentials|let this user|[Aa]uthentication"),
        ("rediss://ann:wrong@TLS?ssl_ca_certs=CERT", ConfigError, "refuses the credentials"),
        (f"rediss://nobody:{QUOTED}@TLS?ssl_ca_certs=CERT", ConfigError, "refuses the credentials"),
    ],
    ids=["unknown-certificate", "tls-without-tls", "no-password", "wrong-password", "wrong-user"],
)
async def test_url_errors_hide_the_password(
    place: Place, tmp_path: Path, url: str, error: type[Exception], message: str
) -> None:
    async with Bus.connect(at(place.fill(url), tmp_path)) as bus, asyncio.timeout(60):
        with pytest.raises(error, match=message) as caught:
            await bus.ready(0.5)
    assert SECRET not in str(caught.value) and QUOTED not in str(caught.value)


async def test_commands_accept_the_same_urls(place: Place, tmp_path: Path) -> None:
    url = place.fill(f"rediss://ann:{QUOTED}@TLS/6?ssl_ca_certs=CERT")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cornerman", "status", "--once", "--json", "--redis", url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=tmp_path,
    )
    out, errors = await asyncio.wait_for(process.communicate(), 100)
    assert process.returncode == 0, errors
    assert isinstance(json.loads(out), dict)
    assert QUOTED.encode() not in out + errors


def test_short_variable_sets_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORNERMAN_REDIS_URL", "rediss://ann:x@host/2")
    assert load_settings().redis.url == "rediss://ann:x@host/2"


async def test_default_client_breaks_blocking_reads(bus: Bus) -> None:
    """redis-py's socket timeout ends a longer blocking read; with its retries the caller hangs."""
    ours = bus.blocking_client(2.0)
    assert ours.connection_pool.connection_kwargs["socket_timeout"] > 2.0
    assert ours.connection_pool.connection_kwargs["retry"].get_retries() == 0
    theirs = Redis.from_url(bus.url, socket_timeout=0.2, retry=Retry(NoBackoff(), 0))
    with pytest.raises(redis.exceptions.TimeoutError):
        await theirs.xread({"nothing": "$"}, block=60_000)
    assert await ours.xread({"nothing": "$"}, block=1000) in (None, [], {})
    await theirs.aclose()
