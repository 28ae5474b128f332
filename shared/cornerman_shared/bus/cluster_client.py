"""A client of Redis Cluster: sends each command to the node that holds the slot of its key.

Each node has a plain client of redis-py. A redirection (MOVED, ASK) means that nothing was run, so it is followed; any
other failure is raised, because only the consumer and `aio.retry` send anything again. Why this is not redis-py's
`RedisCluster`: docs/decisions/0012-reads-of-several-shards.md.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.client import Pipeline
from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    AuthenticationError,
    ClusterDownError,
    ConnectionError,
    MovedError,
    ResponseError,
    TimeoutError,
    TryAgainError,
)

from cornerman_shared.bus.client_pool import CLOSED
from cornerman_shared.bus.streams import SHARDS, text_of
from cornerman_shared.errors import ConfigError

Address = tuple[str, int]
Command = tuple[Sequence[Any], dict[str, Any]]

REDIRECTIONS: Final = 5
_WITHOUT_KEY: Final = frozenset(
    {
        *("ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DBSIZE", "FLUSHALL", "FLUSHDB", "INFO", "KEYS", "PING"),
        *("ROLE", "SCRIPT", "TIME", "WAIT"),
    }
)
_UNREACHABLE: Final = (ConnectionError, TimeoutError, OSError)


class ClusterClient(Redis):  # type: ignore[misc]
    """A client of all nodes. Commands without a key go to the node that holds `streams.SHARDS`.

    Args:
        seeds: addresses of some nodes.
        open_node: makes the client of one node.
    """

    def __init__(self, seeds: Sequence[Address], open_node: Callable[[str, int], Redis]) -> None:
        super().__init__(connection_pool=ConnectionPool())  # never connects
        self._seeds = list(seeds)
        self._open_node = open_node
        self._nodes: dict[Address, Redis] = {}
        self._ranges: list[tuple[int, int, Address]] = []  # first slot, last slot, its master
        self._moved: dict[int, Address] = {}  # learnt from MOVED since the ranges were read
        self._others: list[Address] = []  # replicas, which know the slots as well
        self._failed: set[Address] = set()  # masters to which a command failed since then
        self._learning = asyncio.Lock()
        self._is_closed = False

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Runs one command at the node of its key."""
        slot = _slot_of(args)
        for _ in range(REDIRECTIONS):
            at = await self._owner(slot)
            try:
                return await self._node(at).execute_command(*args, **options)
            except MovedError as error:
                self._note_moved(slot, at, error)
            except AskError as error:
                return await self._ask(_address(error, at), args, options)
            except (*_UNREACHABLE, ClusterDownError):
                self._failed.add(at)
                raise
        raise TryAgainError(f"slot {slot} was redirected {REDIRECTIONS} times")

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> ClusterPipeline:
        """Commands that are sent together; in a transaction all keys must be of one shard."""
        return ClusterPipeline(self, transaction)

    async def masters(self) -> dict[str, Redis]:
        """Client of each master that holds slots, by its address `host:port`."""
        if not self._ranges or self._failed:
            await self._learn()
        found = sorted({at for _, _, at in self._ranges})
        return {f"{host}:{port}": self._node((host, port)) for host, port in found}

    async def master_of(self, key: str) -> str:
        """Address of the master that holds a key."""
        host, port = await self._owner(key_slot(key.encode()))
        return f"{host}:{port}"

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Closes the connections to all nodes; commands that come later, or are under way, fail."""
        self._is_closed = True
        nodes, self._nodes = list(self._nodes.values()), {}
        await close_all(nodes)

    async def run_transaction(self, commands: Sequence[Command], *, raise_on_error: bool) -> list[Any]:
        """Runs MULTI, the commands and EXEC at the node of their keys."""
        slots = {_slot_of(args) for args, _ in commands}
        if len(slots) > 1:
            raise ValueError(f"a transaction has keys of {len(slots)} slots; use keys of one shard")
        (slot,) = slots
        for _ in range(REDIRECTIONS):
            at = await self._owner(slot)
            try:
                return await _send(self._node(at), commands, transaction=True, raise_on_error=raise_on_error)
            except MovedError as error:
                self._note_moved(slot, at, error)
            except AskError as error:
                raise TryAgainError(f"slot {slot} is moving to another node") from error
            except (*_UNREACHABLE, ClusterDownError):
                self._failed.add(at)
                raise
        raise TryAgainError(f"slot {slot} was redirected {REDIRECTIONS} times")

    async def run_together(self, commands: Sequence[Command], *, raise_on_error: bool) -> list[Any]:
        """Runs commands of any shards, those of one node in one batch and in order."""
        batches: dict[Address, list[int]] = {}
        for position, (args, _) in enumerate(commands):
            batches.setdefault(await self._owner(_slot_of(args)), []).append(position)
        results: list[Any] = [None] * len(commands)

        async def run(at: Address, positions: list[int]) -> None:
            batch = [commands[position] for position in positions]
            try:
                replies = await _send(self._node(at), batch, transaction=False, raise_on_error=False)
            except _UNREACHABLE:
                self._failed.add(at)
                raise
            for position, reply in zip(positions, replies, strict=True):
                results[position] = reply

        # All end before an error is raised, so that none holds a connection when the client is closed.
        for error in await asyncio.gather(*(run(*batch) for batch in batches.items()), return_exceptions=True):
            if error is not None:
                raise error
        for position, (args, options) in enumerate(commands):
            if isinstance(results[position], (MovedError, AskError)):
                try:
                    results[position] = await self.execute_command(*args, **options)
                except ResponseError as error:
                    results[position] = error
        for result in results:
            if raise_on_error and isinstance(result, Exception):
                raise result
        return results

    async def _owner(self, slot: int) -> Address:
        """Master of a slot; reads the slots again if that one failed."""
        at = self._known_owner(slot)
        if at is None or at in self._failed:
            await self._learn()
            at = self._known_owner(slot)
        if at is None:
            raise ClusterDownError(f"no node of the cluster holds slot {slot}")
        return at

    def _known_owner(self, slot: int) -> Address | None:
        moved = self._moved.get(slot)
        return moved or next((at for first, last, at in self._ranges if first <= slot <= last), None)

    def _note_moved(self, slot: int, asked: Address, error: MovedError) -> None:
        self._moved[slot] = _address(error, asked)

    async def _ask(self, at: Address, args: Sequence[Any], options: dict[str, Any]) -> Any:
        """Runs a command at the node that a slot moves to; ASKING holds for the next command of its connection."""
        commands: list[Command] = [(("ASKING",), {}), (args, options)]
        _, reply = await _send(self._node(at), commands, transaction=False, raise_on_error=False)
        if isinstance(reply, Exception):
            raise reply
        return reply

    def _node(self, at: Address) -> Redis:
        if self._is_closed:
            raise ConnectionError(CLOSED)
        if at not in self._nodes:
            self._nodes[at] = self._open_node(*at)
        return self._nodes[at]

    async def _learn(self) -> None:
        """Reads the masters of all slots from any node; those that failed are asked last."""
        before = self._ranges
        async with self._learning:
            if self._ranges is not before:
                return  # another command has read them meanwhile
            known = list(dict.fromkeys([*(at for _, _, at in before), *self._others, *self._seeds]))
            random.shuffle(known)
            reason: Exception | None = None
            for at in sorted(known, key=lambda at: at in self._failed):
                try:
                    self._take(at, await self._node(at).execute_command("CLUSTER SLOTS"))
                    await self._close_strangers()
                    return
                except AuthenticationError:
                    raise
                except _UNREACHABLE as error:
                    reason = error
                except ResponseError as error:
                    if "cluster support disabled" in str(error):
                        raise ConfigError(
                            f"{at[0]}:{at[1]} is not a node of a cluster ({error}); give its address as redis://host:port"
                        ) from error
                    raise
            raise ConnectionError(f"no node of the cluster answers, of {len(known)} asked: {reason}") from reason

    def _take(self, asked: Address, slots: Sequence[Sequence[Any]]) -> None:
        """Keeps a reply to CLUSTER SLOTS: first slot, last slot, its master, its replicas."""
        if not slots:
            raise ConnectionError(f"{asked[0]}:{asked[1]} knows no slots")

        def address(node: Sequence[Any]) -> Address:
            name = text_of(node[0] or "")
            return (asked[0] if name in ("", "?") else name), int(node[1])  # a node may not know its own name

        self._ranges = [(int(first), int(last), address(master)) for first, last, master, *_ in slots]
        self._others = [address(replica) for _, _, _, *replicas in slots for replica in replicas]
        self._moved.clear()
        self._failed.clear()

    async def _close_strangers(self) -> None:
        """Closes the clients of nodes that have left the cluster, unless commands still run there."""
        known = {*(at for _, _, at in self._ranges), *self._others, *self._seeds}
        idle = [at for at, node in self._nodes.items() if at not in known and not node.connection_pool.in_use]
        await close_all([self._nodes.pop(at) for at in idle])


class ClusterPipeline(Pipeline):  # type: ignore[misc]
    """Collects commands as redis-py does, and sends them with `ClusterClient`."""

    def __init__(self, cluster: ClusterClient, transaction: bool) -> None:
        super().__init__(cluster.connection_pool, {}, transaction, None)
        self._cluster = cluster

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Sends the commands; returns their results, in order."""
        commands: list[Command] = [(args, options) for args, options in self.command_stack]
        await self.reset()
        if not commands:
            return []
        run = self._cluster.run_transaction if self.is_transaction else self._cluster.run_together
        return await run(commands, raise_on_error=raise_on_error)


async def close_all(clients: Iterable[Redis]) -> None:
    """Closes clients, every one also if another cannot be closed; raises the first error."""
    for error in await asyncio.gather(*(client.aclose() for client in clients), return_exceptions=True):
        if error is not None:
            raise error


async def masters_of(client: Redis) -> dict[str, Redis]:
    """Each server that takes writes, by its address; the address of a single server is empty."""
    return await client.masters() if isinstance(client, ClusterClient) else {"": client}


async def _send(node: Redis, commands: Sequence[Command], *, transaction: bool, raise_on_error: bool) -> list[Any]:
    async with node.pipeline(transaction=transaction) as pipe:
        for args, options in commands:
            pipe.execute_command(*args, **options)
        return list(await pipe.execute(raise_on_error))


def _address(error: MovedError | AskError, asked: Address) -> Address:
    return str(error.host or asked[0]), int(error.port)


def _slot_of(args: Sequence[Any]) -> int:
    key = key_of(args)
    return int(key_slot(key if isinstance(key, bytes) else str(key).encode()))


def key_of(args: Sequence[Any]) -> Any:
    """The first key of a command, as redis-py passes its arguments; of one without keys, `streams.SHARDS`."""
    name = str(args[0]).upper().partition(" ")[0]
    if name in _WITHOUT_KEY:
        return SHARDS
    if name in ("EVAL", "EVALSHA"):
        return args[3] if int(args[2]) > 0 else SHARDS
    if name in ("XREAD", "XREADGROUP"):
        words = [word.upper() if isinstance(word, (bytes, str)) else word for word in args]
        return args[words.index(b"STREAMS" if b"STREAMS" in words else "STREAMS") + 1]
    return args[1]
