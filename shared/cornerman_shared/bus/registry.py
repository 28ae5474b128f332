"""The sources being watched: add, change, remove, and notice changes made by others.

One hash a shard, with a counter to poll.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from cornerman_shared.bus.codec import pack_map, unpack_map
from cornerman_shared.bus.hop import Hop
from cornerman_shared.bus.messages import EndEvent, Times
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.bus.streams import is_question_request
from cornerman_shared.errors import ConfigError, MalformedError, RetryableError
from cornerman_shared.process.logs import get_logger
from cornerman_shared.settings.source import MAX_PROMPT, SourceSpec
from cornerman_shared.settings.tree import explain

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus

CHANGE_TRIES = 8
KEEP_REMOVED_S = 3600

log = get_logger("registry")


async def list_sources(bus: Bus) -> dict[str, SourceSpec]:
    """Every source of every shard, by id. A source whose settings cannot be read is logged and left out."""
    found: dict[str, SourceSpec] = {}
    for keys in bus.all_keys():
        with redis_errors():
            rows = await bus.redis.hgetall(keys.sources)
        for raw_id, body in rows.items():
            try:
                found[raw_id.decode()] = _read(body)
            except (MalformedError, ValidationError) as error:
                log.warning("source_unreadable", source_id=raw_id.decode(), error=str(error))
    return dict(sorted(found.items()))


async def get_source(bus: Bus, source_id: str) -> SourceSpec | None:
    """The source's settings, or None when there is no such source."""
    with redis_errors():
        body = await bus.redis.hget(bus.keys(source_id).sources, source_id)
    return None if body is None else _read(body)


async def add_source(bus: Bus, spec: SourceSpec) -> None:
    """Starts watching a source.

    Raises:
        ConfigError: there is a source of this id already.
    """
    added = await bus.scripts.run("add_source", _keys(bus, spec.source_id), [spec.source_id, _write(spec)])
    if not added:
        raise ConfigError(f"source_id {spec.source_id!r} is taken; remove that source first, or choose another id")


async def put_source(bus: Bus, spec: SourceSpec) -> None:
    """Adds the source, or replaces what is there under its id."""
    await bus.scripts.run("put_source", _keys(bus, spec.source_id), [spec.source_id, _write(spec), b""])


async def update_source(bus: Bus, source_id: str, changes: Mapping[str, Any]) -> SourceSpec:
    """Changes settings while the source runs: `{"speak": {"strategy": "interval"}, "paused": True}`.

    Raises:
        ConfigError: no such source, or a value that is not allowed; names the field, the value and what is allowed.
    """
    for _ in range(CHANGE_TRIES):
        keys = bus.keys(source_id)
        with redis_errors():
            before = await bus.redis.hget(keys.sources, source_id)
        if before is None:
            raise ConfigError(f"there is no source {source_id!r}; `cornerman sources list` shows those there are")
        spec = changed(_read(before), changes)
        if await bus.scripts.run("put_source", _keys(bus, source_id), [source_id, _write(spec), before]):
            return spec
    raise RetryableError(f"source {source_id!r} was changed by others {CHANGE_TRIES} times in a row; try again")


async def remove_source(bus: Bus, source_id: str) -> bool:
    """Stops watching. Its open requests end as cancelled; what is stored of it goes after an hour.

    Capture and decider drop what they hold within a second. False = there was no such source.
    """
    removed = bool(await bus.scripts.run("remove_source", _keys(bus, source_id), [source_id, KEEP_REMOVED_S]))
    keys = bus.keys(source_id)
    with redis_errors():
        open_now = await bus.redis.hkeys(keys.open_requests)
        run = (await bus.redis.hget(keys.run(source_id), "run") or b"").decode()
    for request_id in (raw.decode() for raw in open_now):
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
    """The settings with these changes, validated; sections are merged field by field.

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
    """What is in the registry now, kept fresh by polling one counter a shard."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._revisions: list[bytes | None] | None = None
        self.specs: dict[str, SourceSpec] = {}

    async def refresh(self) -> bool:
        """Looks once; True when something changed.

        Raises:
            RetryableError: no answer.
        """
        with redis_errors():
            revisions = [await self._bus.redis.get(keys.sources_revision) for keys in self._bus.all_keys()]
        if revisions == self._revisions:
            return False
        self.specs = await list_sources(self._bus)
        self._revisions = revisions
        return True

    async def changes(self) -> AsyncIterator[dict[str, SourceSpec]]:
        """The sources now, and again each time something changed. A lost server is waited for."""
        while True:
            try:
                if await self.refresh():
                    yield self.specs
            except RetryableError as error:
                log.warning("registry_interrupted", error=str(error))
            await asyncio.sleep(self._bus.settings.bus.sources_poll_s)


def _keys(bus: Bus, source_id: str) -> list[str]:
    """The registry's two keys, then everything that is stored of the source."""
    k = bus.keys(source_id)
    stored = (k.run, k.counters, k.inflight, k.decider_state, k.feedback, k.display, k.push, k.stills)
    return [k.sources, k.sources_revision, *(key(source_id) for key in stored)]


def _write(spec: SourceSpec) -> bytes:
    return pack_map(spec.model_dump(mode="json"))


def _read(body: bytes) -> SourceSpec:
    stored = unpack_map(body)
    say = stored.get("say")
    if isinstance(say, dict):
        # An older writer had no bound; its source goes on with a shorter prompt.
        cut = {name: say[name][:MAX_PROMPT] for name in ("prompt", "system_prompt") if isinstance(say.get(name), str)}
        stored["say"] = {**say, **cut}
    return SourceSpec.model_validate(stored)
