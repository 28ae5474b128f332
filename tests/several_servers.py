"""Several servers for a test, from one binary: a cluster of masters with replicas, or a master with its sentinels."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import redis

from cornerman_shared.bus.server_binary import find_binary

NODE_TIMEOUT_MS = 1_000
START_S = 60.0
SERVICE = "corner"


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Polls until the condition holds; errors of the servers count as no."""
    deadline_s = time.monotonic() + START_S
    while True:
        with contextlib.suppress(redis.exceptions.RedisError):
            if condition():
                return
        assert time.monotonic() < deadline_s, f"{what}: not within {START_S:g} s"
        time.sleep(0.05)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@dataclass
class Node:
    """One server process on 127.0.0.1."""

    folder: Path
    port: int
    options: list[str] = field(default_factory=list)
    mode: list[str] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        given = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), *self.options]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([str(find_binary()), *self.mode, *given], stdout=log, stderr=log)

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=5, decode_responses=True)

    def run(self, *command: str | int) -> object:
        with self.client() as client:
            return client.execute_command(*command)

    def role(self) -> str:
        with self.client() as client:
            return str(client.info("replication").get("role", ""))  # a sentinel has none

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


class Servers:
    """Processes that a test stops at its end."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes

    def start(self) -> None:
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            wait_for(partial(node.run, "PING"), f"server {node.port}")

    def stop(self) -> None:
        for node in self.nodes:
            if node.process is not None and node.process.poll() is None:
                node.kill()

    def empty(self) -> None:
        for node in self.masters():
            node.run("FLUSHALL")
            node.run("SCRIPT", "FLUSH")

    def cut_replication(self, master: Node, replicas: list[Node]) -> None:
        """Ends the links to these replicas: what the master acknowledges from now on is lost when it dies.

        A replica with a password that its master does not want is refused when it connects again.
        """
        for replica in replicas:
            replica.run("CONFIG", "SET", "masterauth", "wrong")
        master.run("CLIENT", "KILL", "TYPE", "replica")

    def masters(self) -> list[Node]:
        found = []
        for node in self.nodes:
            with contextlib.suppress(redis.exceptions.RedisError):
                if node.role() == "master":
                    found.append(node)
        return found


class Cluster(Servers):
    """A Redis Cluster of masters, each with one replica."""

    def __init__(self, folder: Path, masters: int = 3, options: list[str] | None = None) -> None:
        ports = _free_ports(4 * masters)
        given = [
            *("--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS), "--save", ""),
            *("--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0"),
            *("--appendonly", "no", "--repl-timeout", "5", *(options or [])),
        ]
        nodes = [
            Node(folder / f"node-{i}", ports[i], [*given, "--cluster-port", str(ports[2 * masters + i])])
            for i in range(2 * masters)
        ]
        super().__init__(nodes)
        self._masters = masters

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def start(self) -> None:
        super().start()
        first, n = self.nodes[0], self._masters
        ids = [str(node.run("CLUSTER", "MYID")) for node in self.nodes]
        for i, node in enumerate(self.nodes):
            node.run("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
            if i < n:
                node.run("CLUSTER", "ADDSLOTSRANGE", i * 16384 // n, (i + 1) * 16384 // n - 1)
            if node is not first:
                bus_port = node.options[node.options.index("--cluster-port") + 1]
                first.run("CLUSTER", "MEET", "127.0.0.1", node.port, bus_port)
        wait_for(partial(self._all_know, ids), "gossip")
        for i in range(n, 2 * n):
            wait_for(partial(self.nodes[i].run, "CLUSTER", "REPLICATE", ids[i - n]), "replica")
        self.wait_ready()

    def _all_know(self, ids: list[str]) -> bool:
        return all(each in str(node.run("CLUSTER", "NODES")) for node in self.nodes for each in ids)

    def wait_ready(self) -> None:
        """Waits until every living node sees all slots served, and every replica is linked to its master."""

        def ready() -> bool:
            for node in self.nodes:
                if node.process is None or node.process.poll() is not None:
                    continue
                with node.client() as client:
                    if "cluster_state:ok" not in str(client.execute_command("CLUSTER", "INFO")):
                        return False
                    info = client.info("replication")
                    if info["role"] == "slave" and info["master_link_status"] != "up":
                        return False
            return True

        wait_for(ready, "cluster")

    def owner_of(self, slot: int) -> Node:
        """The master that holds a slot, as the living nodes say."""
        for node in self.masters():
            for first, last, master, *_ in node.run("CLUSTER", "SLOTS"):  # type: ignore[attr-defined]
                if first <= slot <= last:
                    return next(node for node in self.nodes if node.port == master[1])
        raise AssertionError(f"no master holds slot {slot}")

    def replica_of(self, master: Node) -> Node:
        own_id = str(master.run("CLUSTER", "MYID"))
        line = next(line for line in str(master.run("CLUSTER", "NODES")).splitlines() if f" {own_id} " in line)
        port = int(line.split()[1].partition("@")[0].rpartition(":")[2])
        return next(node for node in self.nodes if node.port == port)

    def move_slot(self, slot: int, pause_s: float = 0.0) -> None:
        """Moves a slot to another master, key by key, as `redis-cli --cluster reshard` does."""
        source = self.owner_of(slot)
        target = next(node for node in self.masters() if node is not source)
        source_id, target_id = (str(node.run("CLUSTER", "MYID")) for node in (source, target))
        target.run("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
        source.run("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
        with source.client() as client:
            while keys := client.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 10):
                client.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "REPLACE", "KEYS", *keys)
                time.sleep(pause_s)
        for node in (target, source, *(node for node in self.masters() if node not in (source, target))):
            node.run("CLUSTER", "SETSLOT", slot, "NODE", target_id)


class Sentinels(Servers):
    """A master with two replicas, and three sentinels that watch it."""

    def __init__(self, folder: Path, options: list[str] | None = None, sentinel_lines: list[str] | None = None) -> None:
        ports = _free_ports(6)
        given = ["--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0", *(options or [])]
        replica = ["--replicaof", f"127.0.0.1 {ports[0]}"]
        self.servers = [Node(folder / f"server-{i}", ports[i], given + (replica if i else [])) for i in range(3)]
        self.sentinels = []
        for i in range(3, 6):
            place = folder / f"sentinel-{i - 3}"
            place.mkdir()
            lines = [
                *(f"sentinel monitor {SERVICE} 127.0.0.1 {ports[0]} 2", f"sentinel parallel-syncs {SERVICE} 2"),
                *(f"sentinel down-after-milliseconds {SERVICE} {NODE_TIMEOUT_MS}", "protected-mode no"),
                *(f"sentinel failover-timeout {SERVICE} 3000", *(sentinel_lines or [])),
            ]
            (place / "sentinel.conf").write_text("\n".join(lines) + "\n")
            self.sentinels.append(Node(place, ports[i], [], [str(place / "sentinel.conf"), "--sentinel"]))
        super().__init__([*self.servers, *self.sentinels])

    @property
    def url(self) -> str:
        return "redis+sentinel://" + ",".join(f"127.0.0.1:{node.port}" for node in self.sentinels) + f"/{SERVICE}"

    def start(self) -> None:
        super().start()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Waits until the sentinels know each other and two replicas of a master that they agree on."""

        def ready() -> bool:
            named = {str(one.run("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)) for one in self.sentinels}
            if len(named) != 1 or f"'{self.master().port}'" not in next(iter(named)):
                return False
            with self.sentinels[0].client() as client:
                state = client.sentinel_master(SERVICE)
            with self.master().client() as client:
                linked = client.info("replication")["connected_slaves"]
            return bool(state["num-other-sentinels"] == 2 and state["num-slaves"] >= 2 and linked >= 1)

        wait_for(ready, "sentinels")

    def master(self) -> Node:
        found = self.masters()
        assert found, "no master"
        return found[0]


@contextlib.contextmanager
def running(servers: Servers) -> Iterator[None]:
    """Starts the servers, and stops them at the end."""
    try:
        servers.start()
        yield
    finally:
        servers.stop()
