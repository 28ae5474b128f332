"""Connections of the bus: readiness, blobs, events, and the mapping of server errors."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import redis.exceptions

from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.hop import Hop, HopResult
from cornerman_shared.bus.lease import Lease
from cornerman_shared.bus.messages import BlobRef, Chunk, Question, StateEvent, Times
from cornerman_shared.bus.open_client import open_client
from cornerman_shared.bus.publish import publish
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.bus.registry import add_source, remove_source
from cornerman_shared.bus.runs import begin_run, set_state
from cornerman_shared.bus.server_binary import find_binary
from cornerman_shared.errors import BlobExpiredError, ConfigError, MalformedError, RetryableError
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import Settings
from tests.conftest import Server, fast_settings


def on(settings: Settings, **redis_settings: object) -> Settings:
    return settings.model_copy(update={"redis": settings.redis.model_copy(update=redis_settings)})


async def test_blobs_are_returned_and_expire(bus: Bus) -> None:
    for array in (np.arange(12.0).reshape(3, 4).T, np.zeros((2, 0), np.float16), np.array(7, ">i4")):
        ref = await bus.put_blob("{cm0}:blob:x", array, ttl_s=60)
        assert (ref.dtype, ref.shape) == (array.dtype.str, array.shape)
        assert np.array_equal(await bus.get_blob(ref), array)
        assert 0 < await bus.redis.ttl(ref.key) <= 60


async def test_freed_blob_is_gone(bus: Bus) -> None:
    ref = await bus.put_blob("{cm0}:blob:x", np.ones(3), ttl_s=60)
    await bus.free_blobs([None, ref, ref])
    with pytest.raises(BlobExpiredError, match="freed, or has expired"):
        await bus.get_blob(ref)


async def test_blob_of_other_size_is_malformed(bus: Bus) -> None:
    ref = await bus.put_blob("{cm0}:blob:x", np.ones(3), ttl_s=60)
    with pytest.raises(MalformedError, match=r"\{cm0\}:blob:x: float64 \[4\] needs 32 bytes, got 24"):
        await bus.get_blob(BlobRef(ref.key, ref.dtype, (4,)))


async def test_other_number_of_shards_is_refused(bus: Bus, settings: Settings) -> None:
    async with Bus.connect(on(settings, shards=4)) as other:
        with pytest.raises(ConfigError, match=r"redis.shards = 4, but the data of this server has 1 shards; set"):
            await other.ready(60)


async def test_missing_server_names_the_remedy(settings: Settings, tmp_path: Path) -> None:
    async with Bus.connect(on(settings, url=f"unix://{tmp_path}/nobody.sock")) as bus:
        with pytest.raises(RetryableError, match=r"no server answered within 0.3 s .* start one with `cornerman up`"):
            await bus.ready(0.3)


async def test_late_server_is_awaited(own_server: Server, settings: Settings) -> None:
    own_server.kill()
    async with Bus.connect(on(settings, url=own_server.url)) as bus:
        waiting = asyncio.create_task(bus.ready(60))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        own_server.start()
        await waiting


@pytest.mark.parametrize("url", ["http://localhost", "redis://host:notaport", ""])
async def test_unreadable_url_hides_its_password(url: str) -> None:
    with pytest.raises(ConfigError, match=r"redis.url = .* cannot be read"):
        open_client(url)


async def test_wrong_password_is_a_config_error(bus: Bus, settings: Settings) -> None:
    await bus.redis.execute_command("ACL SETUSER", "watcher", "on", ">secret", "~*", "+@all")
    try:
        url = settings.redis.url.replace("unix://", "unix://watcher:wrong@")
        async with Bus.connect(on(settings, url=url)) as other:
            with pytest.raises(ConfigError, match="refuses the credentials") as caught:
                await other.ready(60)
        assert "wrong@" not in str(caught.value)
        async with Bus.connect(on(settings, url=url.replace("wrong", "secret"))) as right:
            await right.ready(60)
    finally:
        await bus.redis.execute_command("ACL DELUSER", "watcher")


async def test_user_without_rights_is_refused(bus: Bus, settings: Settings) -> None:
    await bus.redis.execute_command(
        "ACL SETUSER", "reader", "on", ">secret", "~*", "+info", "+ping", "-eval", "-evalsha"
    )
    try:
        async with Bus.connect(
            on(settings, url=settings.redis.url.replace("unix://", "unix://reader:secret@"))
        ) as other:
            with pytest.raises(ConfigError, match=r"denies this user a command: .*evalsha.* in the ACL"):
                await Hop().count("{cm0}:x", "y").run(other.scripts)
    finally:
        await bus.redis.execute_command("ACL DELUSER", "reader")


async def test_replica_and_full_server_are_retryable(own_bus: Bus) -> None:
    """redis-py strips READONLY and OOM from the reply, so they are matched by class."""
    event = StateEvent("cam", "r", "playing", "", 0.0)
    await own_bus.redis.config_set("maxmemory", 1)
    with pytest.raises(RetryableError, match="the server is full"):
        await own_bus.emit(event)
    with pytest.raises(RetryableError, match="the server is full"):
        await Hop().count("{cm0}:x", "y").run(own_bus.scripts)
    await own_bus.redis.config_set("maxmemory", 0)
    await own_bus.redis.execute_command("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(RetryableError, match="not ready"):
        await own_bus.emit(event)
    with pytest.raises(RetryableError, match="not ready"):
        await Hop().count("{cm0}:x", "y").run(own_bus.scripts)
    await own_bus.redis.execute_command("REPLICAOF", "NO", "ONE")
    assert await own_bus.emit(event)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (redis.exceptions.ConnectionError("gone"), RetryableError),
        (redis.exceptions.TimeoutError("slow"), RetryableError),
        (redis.exceptions.BusyLoadingError("loading"), RetryableError),
        (redis.exceptions.TryAgainError("later"), RetryableError),
        (redis.exceptions.ClusterDownError("down"), RetryableError),
        (redis.exceptions.MasterDownError("down"), RetryableError),
        (redis.exceptions.ResponseError("MISCONF Errors writing to the AOF file"), RetryableError),
        (redis.exceptions.ResponseError("BUSY Redis is busy running a script"), RetryableError),
        (redis.exceptions.ResponseError("UNBLOCKED the stream key no longer exists"), RetryableError),
        (redis.exceptions.AuthenticationError("no"), ConfigError),
        (redis.exceptions.MovedError("1234 10.0.0.1:6379"), ConfigError),
        (redis.exceptions.ResponseError("DB index is out of range"), ConfigError),
        (redis.exceptions.ConnectionError("DB index is out of range"), ConfigError),
        (ConnectionResetError("reset"), RetryableError),
        (redis.exceptions.ResponseError("NOGROUP"), redis.exceptions.ResponseError),
    ],
    ids=lambda value: str(value)[:20],
)
def test_server_errors_map_to_classes(error: Exception, kind: type[Exception]) -> None:
    with pytest.raises(kind), redis_errors():
        raise error


async def test_callers_wait_for_a_socket(bus: Bus) -> None:
    """The default pool of redis-py raises instead."""
    client = open_client(bus.url, connections=2)
    try:
        await asyncio.gather(*(client.set(f"k{n}", n) for n in range(50)))
        assert len(await client.keys("k*")) == 50
    finally:
        await client.aclose()


async def test_cancellation_is_not_lost(bus: Bus) -> None:
    """redis-py sends with `asyncio.wait_for`, which on Python 3.11 loses a cancellation just after the sending."""
    payload = bytes(300_000)

    async def work(n: int) -> None:
        while True:
            await bus.redis.set(f"k{n}", payload)

    tasks = [asyncio.create_task(work(n)) for n in range(40)]
    for task in tasks:
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
    done, hung = await asyncio.wait(tasks, timeout=60)
    for task in hung:
        task.cancel()
    assert (len(done), len(hung)) == (40, 0)


async def test_stuck_server_times_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cornerman_shared.bus.open_client.COMMAND_TIMEOUT_S", 0.3)
    path = tmp_path / "deaf.sock"
    with closing(socket.socket(socket.AF_UNIX)) as deaf:
        deaf.bind(str(path))
        deaf.listen()
        client = open_client(f"unix://{path}")
        try:
            with pytest.raises(RetryableError, match=r"not sent within 0.3 s|not reachable: Timeout"), redis_errors():
                async with asyncio.timeout(60):
                    await client.set("k", bytes(20_000_000))
        finally:
            await client.aclose()


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Bus]:
    """A server in cluster mode with all slots; it refuses a script whose keys lie in several slots."""
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as probe,
        closing(socket.create_server(("127.0.0.1", 0))) as other,
    ):
        port, cluster_port = probe.getsockname()[1], other.getsockname()[1]
    server = Server(find_binary(), tmp_path)
    command = [str(server.binary), "--port", str(port), "--bind", "127.0.0.1", "--cluster-enabled", "yes"]
    command += ["--cluster-port", str(cluster_port)]
    command += ["--unixsocket", str(server.socket), "--dir", str(tmp_path), "--save", ""]
    server.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        async with Bus.connect(fast_settings(server.url, tmp_path)) as bus, asyncio.timeout(60):
            await _give_slots(bus)
            yield bus
    finally:
        server.stop()


async def _give_slots(bus: Bus) -> None:
    while True:
        try:
            await bus.redis.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
            break
        except redis.exceptions.ConnectionError:
            await asyncio.sleep(0.02)
    while (await bus.redis.execute_command("CLUSTER INFO"))["cluster_state"] != "ok":
        await asyncio.sleep(0.02)


async def test_every_script_uses_one_slot(cluster: Bus) -> None:
    await cluster.ready(60)
    k = cluster.keys("cam")
    with pytest.raises(redis.exceptions.RedisError):
        await cluster.redis.mget("a", "b")  # the server checks slots
    await add_source(cluster, SourceSpec(source_id="cam", url="test://"))
    lease = Lease(cluster, k, "capture:cam", "one")
    assert await lease.acquire()
    await begin_run(cluster, "cam", "r1", "test://", lease, resume=False)
    await set_state(cluster, "cam", "r1", "playing", "", lease)
    chunk = Chunk("cam", "r1", 0, 0.0, (), 0.0, False, False, None, False, Times())
    assert await publish(cluster, chunk, lease, 4) == "published"
    await cluster.ask(Question("q", "cam", "?", 0.0))
    await cluster.emit(StateEvent("cam", "r1", "ended", "", 0.0))
    assert await Hop().count(k.counters("cam"), "errors").run(cluster.scripts) is HopResult.DONE
    fenced = Hop().add(k.requests, chunk, 100).event(k, StateEvent("cam", "r1", "ended", "", 0.0), 100)
    assert await fenced.run(cluster.scripts, fence=lease.fence, generation=lease.generation) is HopResult.DONE
    assert await lease.renew()
    await lease.release()
    assert await remove_source(cluster, "cam")
