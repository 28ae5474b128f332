"""The check of the server for `cornerman doctor`: what kind it is, what it keeps, who has a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cornerman_shared.bus.cluster_client import ClusterClient, masters_of
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.bus.sentinel_client import SentinelClient
from cornerman_shared.bus.server_memory import memory_of
from cornerman_shared.redact import redact_url

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus


async def describe_server(bus: Bus) -> tuple[str, str, str]:
    """What is found, and the problem and the note about it; empty = none.

    Raises:
        RetryableError: a server does not answer.
    """
    with redis_errors():
        infos = {address: await client.info() for address, client in (await masters_of(bus.redis)).items()}
    found = f"{_version(next(iter(infos.values())))}{await _kind(bus, infos)} at {redact_url(bus.url)}"
    for address, info in sorted(infos.items()):
        node = f"; {address}: " if address else ", "
        found += f"{node}{info.get('used_memory_human')} used, {_kept(info)}, {_policy(info)}, {_copies(info)}"
    faults = {address: memory_of(info).fault for address, info in infos.items()}
    problem = "; ".join(f"{address}: {fault}".removeprefix(": ") for address, fault in faults.items() if fault)
    return found, problem, _note(bus, infos)


async def _kind(bus: Bus, infos: dict[str, dict[str, Any]]) -> str:
    if isinstance(bus.redis, SentinelClient):
        pool = bus.redis.connection_pool
        return f", the master of {pool.service_name!r} as {len(bus.redis.sentinels.sentinels)} sentinels name it,"
    if not isinstance(bus.redis, ClusterClient):
        return ""
    shards: dict[str, int] = dict.fromkeys(infos, 0)
    with redis_errors():
        for keys in bus.all_keys():
            shards[await bus.redis.master_of(keys.sources)] += 1
    spread = ", ".join(str(count) for _, count in sorted(shards.items()))
    return f", a cluster of {len(infos)} masters ({bus.shards} shards: {spread})"


def _version(info: dict[str, Any]) -> str:
    name = "Valkey" if info.get("server_name") == "valkey" else "Redis"
    return f"{name} {info.get('valkey_version') or info.get('redis_version')}"


def _kept(info: dict[str, Any]) -> str:
    if info.get("aof_enabled"):
        return "kept on disk"
    return "in memory only" if not info.get("rdb_last_save_time") or info.get("rdb_saves") == 0 else "snapshots only"


def _policy(info: dict[str, Any]) -> str:
    return f"maxmemory-policy {info.get('maxmemory_policy', 'unknown')}"


def _copies(info: dict[str, Any]) -> str:
    count = int(info.get("connected_slaves", 0))
    return "no replica" if count == 0 else f"{count} replica{'s' if count > 1 else ''}"


def _note(bus: Bus, infos: dict[str, dict[str, Any]]) -> str:
    alone = [address for address, info in infos.items() if not int(info.get("connected_slaves", 0))]
    several = isinstance(bus.redis, (ClusterClient, SentinelClient))
    if several and alone:
        return f"no replica of {', '.join(alone) or 'the master'}: if it fails, its sources stop until it is back"
    if bus.shards < len(infos):
        return (
            f"redis.shards = {bus.shards} uses {bus.shards} of {len(infos)} masters; "
            f"start with empty servers and redis.shards = {4 * len(infos)} to use all of them"
        )
    return ""
