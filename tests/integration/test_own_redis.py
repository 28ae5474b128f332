"""A server of somebody else: a user with least rights, TLS with an own authority, and what the doctor says of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from cornerman.cli import invoke
from cornerman.local.server_check import describe_server
from cornerman_gateway.tls import self_signed
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import ErrorEvent, Question
from cornerman_shared.settings.tree import Settings
from tests.conftest import Server, fast_settings
from tests.faults.service_group import ROOT
from tests.several_servers import Cluster, Node, Sentinels, Servers, running, wait_for

PASSWORD = "least-rights"

pytestmark = pytest.mark.timeout(240)


def documented_user() -> list[str]:
    """The words of the user in docs/redis.md, without `user`."""
    block = re.search(r"```acl\nuser (.*?)```", (ROOT / "docs" / "redis.md").read_text(encoding="utf-8"), re.DOTALL)
    assert block
    return block[1].replace("PASSWORD", PASSWORD).split()


@pytest.fixture
def restricted(own_server: Server) -> Iterator[str]:
    """URL of the server for that user; at the end nothing was denied to it."""
    with redis.Redis(unix_socket_path=str(own_server.socket)) as client:
        client.execute_command("ACL SETUSER", *documented_user())
        yield f"unix://cornerman:{PASSWORD}@{own_server.socket}"
        assert client.acl_log() == []


def test_pipeline_runs_with_least_rights(restricted: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["test://pattern?fps=8&seconds=8&size=64x36", "--lossless", "--encoder", "fake", "--generator", "echo"]
    flags = [f"--set=runtime.dir={tmp_path / 'run'}", "--redis", restricted]
    assert invoke(["run", *words, "--json", *flags]) == 0
    (counts,) = json.loads(capfd.readouterr().out.splitlines()[-1])["sources"].values()
    assert counts["decided"] > 5
    assert invoke(["status", "--once", "--json", "--redis", restricted]) == 0
    asyncio.run(_ask(fast_settings(restricted, tmp_path)))


async def _ask(settings: Settings) -> None:
    async with Bus.connect(settings) as bus:
        await bus.ready(30)
        await bus.ask(Question("q", "cam", "how?", bus.clock.now_s()))
        assert await describe_server(bus)


@pytest.mark.parametrize(
    "command",
    [
        ("FLUSHALL",),
        ("CONFIG", "GET", "maxmemory"),
        ("CONFIG", "SET", "maxmemory", "1"),
        ("KEYS", "*"),
        ("SCAN", "0"),
        ("GET", "other"),
        ("SET", "other:cm:x", "1"),
        ("EVAL", "return redis.call('GET', 'other')", "0"),
        ("ACL", "LIST"),
        ("CLIENT", "LIST"),
        ("SHUTDOWN",),
        ("REPLICAOF", "NO", "ONE"),
        ("PUBLISH", "news", "x"),
    ],
)
async def test_user_may_nothing_else(
    own_bus: Bus, own_server: Server, tmp_path: Path, command: tuple[str, ...]
) -> None:
    await own_bus.redis.execute_command("ACL SETUSER", *documented_user())
    url = f"unix://cornerman:{PASSWORD}@{own_server.socket}"
    async with Bus.connect(fast_settings(url, tmp_path)) as bus:
        with pytest.raises(redis.exceptions.ResponseError, match=r"(?i)permission|access"):
            await bus.redis.execute_command(*command)


@pytest.fixture
def lone_node(tmp_path: Path) -> Iterator[tuple[Node, int]]:
    """A cluster of one node that announces another port, where a TLS relay will listen."""
    (plain, relay, bus_port) = Cluster(tmp_path, masters=1).nodes[0].port, *_ports(2)
    options = ["--cluster-enabled", "yes", "--cluster-port", str(bus_port), "--save", ""]
    options += ["--cluster-announce-ip", "127.0.0.1", "--cluster-announce-port", str(relay)]
    node = Node(tmp_path / "node", plain, options)
    with running(Servers([node])):
        node.run("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        wait_for(lambda: "cluster_state:ok" in str(node.run("CLUSTER", "INFO")), "cluster")
        yield node, relay


def _ports(count: int) -> list[int]:
    return [node.port for node in Cluster(Path(), masters=1).nodes][:count]


async def test_cluster_over_tls_with_own_authority(lone_node: tuple[Node, int], tmp_path: Path) -> None:
    node, port = lone_node
    certificate, key = self_signed(tmp_path / "tls", ["localhost", "127.0.0.1"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    relays: set[asyncio.Task[None]] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        relays.add(task)
        there, back = await asyncio.open_connection("127.0.0.1", node.port)
        with contextlib.suppress(OSError, ssl.SSLError, asyncio.CancelledError):
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        back.close()
        writer.close()

    async with await asyncio.start_server(relay, "127.0.0.1", port, ssl=context):
        url = f"rediss+cluster://localhost:{port}"
        settings = fast_settings(url, tmp_path)
        own = settings.model_copy(update={"redis": settings.redis.model_copy(update={"ca_file": certificate})})
        async with Bus.connect(own) as bus:
            await bus.ready(30)
            await bus.emit(ErrorEvent("cam", "r", "capture", "told", 1.0))
            assert await bus.redis.xlen(bus.keys("cam").feedback_all) == 1
        async with Bus.connect(settings) as bus:
            with pytest.raises(Exception, match="certificate"):
                await bus.ready(0.5)
        for task in relays:
            task.cancel()
        await asyncio.gather(*relays, return_exceptions=True)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()


def _settings(url: str, folder: Path) -> Settings:
    return fast_settings(url.replace("://", "://ann:hidden@"), folder)


async def test_doctor_describes_a_cluster(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    with running(cluster):
        for node in cluster.nodes:
            node.run("ACL", "SETUSER", "ann", "on", ">hidden", "~*", "+@all")
        async with Bus.connect(_settings(cluster.url, tmp_path)) as bus:
            await bus.ready(30)
            found, problem, note = await describe_server(bus)
    assert "a cluster of 3 masters (4 shards: " in found
    assert found.count("1 replica") == 3 and found.count("maxmemory-policy noeviction") == 3
    assert "hidden" not in found and "***@127.0.0.1" in found
    assert (problem, note) == ("", "")


async def test_doctor_describes_sentinels(tmp_path: Path) -> None:
    sentinels = Sentinels(tmp_path)
    with running(sentinels):
        master = sentinels.master()
        master.run("ACL", "SETUSER", "ann", "on", ">hidden", "~*", "+@all")
        master.run("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        async with Bus.connect(_settings(sentinels.url, tmp_path)) as bus:
            await bus.ready(30)
            found, problem, _ = await describe_server(bus)
    assert "the master of 'corner' as 3 sentinels name it" in found
    assert "replica" in found and "hidden" not in found
    assert "the server evicts keys" in problem
