"""Registry of sources: add, change, remove, and watch for changes.

Each shard has one hash of sources and one revision counter to poll.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from cornerman_shared.aio import retry
from cornerman_shared.bus.codec import pack_map, unpack_map
from cornerman_shared.bus.hop import Hop
from cornerman_shared.bus.messages import EndEvent, Times
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.bus.streams import is_question_request
from cornerman_shared.errors import ConfigError, MalformedError, RetryableError
from cornerman_shared.process.logs import get_logger
from cornerman_shared.redact import remember_url
from cornerman_shared.settings.source import MAX_PROMPT, SourceSpec
from cornerman_shared.settings.tree import explain

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus

CHANGE_TRIES = 8
KEEP_REMOVED_S = 3600

log = get_logger("registry")


async def list_sources(bus: Bus) -> dict[str, SourceSpec]:
    """Sources of all shards by id. A source whose settings cannot be read is logged and left out."""
    found: dict[str, SourceSpec] = {}
    for keys in bus.all_keys():
        with redis_errors():
            rows = await bus.redis.hgetall(keys.sources)
        for raw_id, body in rows.items():
            try:
                found[raw_id.decode()] = _decode(body)
            except (MalformedError, ValueError) as error:  # ValueError: pydantic's too
                log.warning("source_unreadable", source_id=raw_id.decode(errors="replace"), error=str(error))
    return dict(sorted(found.items()))


async def get_source(bus: Bus, source_id: str) -> SourceSpec | None:
    """Settings of a source; None if it is not registered."""
    with redis_errors():
        body = await bus.redis.hget(bus.keys(source_id).sources, source_id)
    return None if body is None else _decode(body)


async def add_source(bus: Bus, spec: SourceSpec) -> None:
    """Registers a source.

    Raises:
        ConfigError: the id is taken.
    """
    added = await bus.scripts.run("add_source", _keys(bus, spec.source_id), [spec.source_id, _encode(spec)])
    if not added:
        raise ConfigError(f"source_id {spec.source_id!r} is taken; remove that source first, or choose another id")


async def put_source(bus: Bus, spec: SourceSpec) -> None:
    """Registers a source, or replaces the one of the same id."""
    await bus.scripts.run("put_source", _keys(bus, spec.source_id), [spec.source_id, _encode(spec), b""])


async def update_source(bus: Bus, source_id: str, changes: Mapping[str, Any]) -> SourceSpec:
    """Changes settings of a registered source, e.g. `{"speak": {"strategy": "interval"}, "paused": True}`.

    Raises:
        ConfigError: unknown source, or a value that is not allowed; names the field, the value and the limits.
        RetryableError: no answer, or others changed the source `CHANGE_TRIES` times in a row.
    """
    for _ in range(CHANGE_TRIES):
        keys = bus.keys(source_id)
        with redis_errors():
            before = await bus.redis.hget(keys.sources, source_id)
        if before is None:
            raise ConfigError(f"there is no source {source_id!r}; see `cornerman sources list`")
        spec = changed(_decode(before), changes)
        # Compare and set: the script writes only if the stored settings still are `before`.
        if await bus.scripts.run("put_source", _keys(bus, source_id), [source_id, _encode(spec), before]):
            return spec
    raise RetryableError(f"source {source_id!r} was changed by others {CHANGE_TRIES} times in a row; try again")


async def remove_source(bus: Bus, source_id: str) -> bool:
    """Removes a source and ends its open requests as cancelled; its stored data expires after an hour.

    Capture and decider notice it within a second and drop its data.

    Returns:
        False if the source was not registered.
    """
    removed = bool(await bus.scripts.run("remove_source", _keys(bus, source_id), [source_id, KEEP_REMOVED_S]))
    keys = bus.keys(source_id)
    with redis_errors():
        open_now = await bus.redis.hkeys(keys.open_requests)
        run = (await bus.redis.hget(keys.run(source_id), "run") or b"").decode()
    # `once` makes the end single: a generator that ends the request first wins.
    for request_id in (raw.decode() for raw in open_now):
        # One hash holds the open requests of all sources of the shard.
        if request_id.startswith(f"{source_id}:"):
            event = _cancelled(source_id, run, request_id, bus.clock.now_s())
            hop = Hop().once(keys.open_requests, request_id).event(keys, event, bus.settings.bus.feedback_maxlen)
            await hop.count(keys.counters(source_id), "cancelled").run(bus.scripts)
    return removed


def _cancelled(source_id: str, run: str, request_id: str, now_s: float) -> EndEvent:
    return EndEvent(
        source_id=source_id,
        run=run,
        request_id=request_id,
        attempt=0,
        kind="question" if is_question_request(source_id, request_id) else "feedback",
        action="feedback",
        status="cancelled",
        pts_s=0.0,
        prompt="",
        text="",
        silent=False,
        cause="the source was removed",
        model="",
        n_input_tokens=0,
        n_output_tokens=0,
        ttft_ms=0.0,
        times=Times(done_at_s=now_s),
    )


def changed(spec: SourceSpec, changes: Mapping[str, Any]) -> SourceSpec:
    """Applies changes to settings and validates them; sections are merged field by field.

    Raises:
        ConfigError: as `update_source`.
    """
    merged = spec.model_dump()
    for name, value in changes.items():
        if name in ("source_id", "revision") and value != merged[name]:
            raise ConfigError(f"{name} cannot be changed; remove the source and add another")
        if isinstance(value, Mapping) and isinstance(merged.get(name), dict):
            merged[name] = {**merged[name], **value}
        else:
            merged[name] = value
    merged["revision"] = spec.revision + 1
    try:
        return SourceSpec.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(explain(error)) from None


class RegistryWatcher:
    """Cached copy of the registry, refreshed by polling one counter per shard."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._revisions: list[bytes | None] | None = None
        self.specs: dict[str, SourceSpec] = {}

    async def refresh(self) -> bool:
        """Polls once; True if a source changed.

        Raises:
            RetryableError: no answer.
        """
        with redis_errors():
            revisions = [await self._bus.redis.get(keys.sources_revision) for keys in self._bus.all_keys()]
        if revisions == self._revisions:
            return False
        # Sources are read after the counters: a change in between is read again at the next poll.
        self.specs = await list_sources(self._bus)
        self._revisions = revisions
        return True

    async def changes(self) -> AsyncIterator[dict[str, SourceSpec]]:
        """Yields the sources, and yields them again after each change. Retries while the server is unreachable."""
        while True:
            if await retry(self.refresh, report=lambda error: log.warning("registry_interrupted", error=str(error))):
                yield self.specs
            await asyncio.sleep(self._bus.settings.bus.sources_poll_s)


def _keys(bus: Bus, source_id: str) -> list[str]:
    """The registry's two keys, then the keys of all data stored of the source."""
    k = bus.keys(source_id)
    stored = (k.run, k.counters, k.inflight, k.decider_state, k.feedback, k.display, k.push, k.stills)
    return [k.sources, k.sources_revision, *(key(source_id) for key in stored)]


def _encode(spec: SourceSpec) -> bytes:
    return pack_map(spec.model_dump(mode="json"))


def _decode(body: bytes) -> SourceSpec:
    stored = unpack_map(body)
    say = stored.get("say")
    if isinstance(say, dict):
        # An older writer had no bound; its source goes on with a shorter prompt.
        cut = {name: say[name][:MAX_PROMPT] for name in ("prompt", "system_prompt") if isinstance(say.get(name), str)}
        stored["say"] = {**say, **cut}
    spec = SourceSpec.model_validate(stored)
    remember_url(spec.url)
    return spec
