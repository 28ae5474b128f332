"""Which nodes of a cluster keep a client."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import redis.exceptions

from cornerman_shared.bus.cluster_client import Address, ClusterClient

SEED = ("seed", 7000)


class FakeNodes:
    """Nodes that answer from memory. `slots` is the reply to CLUSTER SLOTS; a node in `dead` is not reachable."""

    def __init__(self, *masters: Address) -> None:
        self.masters = list(masters)
        self.dead: set[Address] = set()
        self.open: dict[Address, Any] = {}

    @property
    def slots(self) -> list[list[Any]]:
        n = len(self.masters)
        return [[i * 16384 // n, (i + 1) * 16384 // n - 1, [*at]] for i, at in enumerate(self.masters)]

    def open_node(self, host: str, port: int) -> Any:
        at = (host, port)

        async def execute_command(*command: Any, **options: Any) -> Any:
            if at in self.dead:
                raise redis.exceptions.ConnectionError("no route")
            return self.slots if command[0] == "CLUSTER SLOTS" else [at, *command]

        async def aclose() -> None:
            del self.open[at]

        pool = SimpleNamespace(in_use=0)
        self.open[at] = SimpleNamespace(execute_command=execute_command, aclose=aclose, connection_pool=pool)
        return self.open[at]


async def client_of(nodes: FakeNodes) -> ClusterClient:
    client = ClusterClient([SEED], nodes.open_node)
    for n in range(50):
        await client.get(f"k{n}")
    return client


async def replace(nodes: FakeNodes, client: ClusterClient, old: Address, new: Address) -> None:
    nodes.dead.add(old)
    nodes.masters = [new if at == old else at for at in nodes.masters]
    for n in range(50):
        try:
            await client.get(f"k{n}")
        except redis.exceptions.ConnectionError:
            await client.get(f"k{n}")


async def test_nodes_that_left_are_closed() -> None:
    """Each replaced pod has another address; their clients were kept for as long as the process lived."""
    nodes = FakeNodes(("a", 1), ("b", 1))
    client = await client_of(nodes)
    for n in range(5):
        await replace(nodes, client, ("a", n + 1), ("a", n + 2))
    assert set(nodes.open) == {SEED, ("a", 6), ("b", 1)}


async def test_busy_node_that_left_is_closed_later() -> None:
    nodes = FakeNodes(("a", 1), ("b", 1))
    client = await client_of(nodes)
    nodes.open["a", 1].connection_pool.in_use = 1
    await replace(nodes, client, ("a", 1), ("a", 2))
    assert ("a", 1) in nodes.open
    nodes.open["a", 1].connection_pool.in_use = 0
    await replace(nodes, client, ("a", 2), ("a", 3))
    assert set(nodes.open) == {SEED, ("a", 3), ("b", 1)}


async def test_closed_client_opens_no_node() -> None:
    nodes = FakeNodes(("a", 1), ("b", 1))
    client = await client_of(nodes)
    await client.aclose()
    with pytest.raises(redis.exceptions.ConnectionError, match="the client is closed"):
        await client.get("k")
    assert nodes.open == {}
