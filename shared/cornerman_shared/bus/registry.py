"""Registry of sources: add, change, replace, remove, and watch for changes.

Each shard has one hash of sources and one revision counter to poll. Adding, replacing and removing a source gives it
another incarnation, in the same script that ends its run and its open requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import redis.exceptions
from pydantic import BaseModel, ValidationError

from cornerman_shared.bus.address_keys import NO_KEYS
from cornerman_shared.bus.codec import pack, pack_map, unpack_map
from cornerman_shared.bus.messages import StateEvent
from cornerman_shared.bus.open_requests import cancelled_event, open_requests
from cornerman_shared.bus.streams import KEEP_REMOVED_S, read_number, text_of
from cornerman_shared.errors import ConfigError, MalformedError, RetryableError
from cornerman_shared.process.logs import get_logger
from cornerman_shared.redact import is_sealed, remember_url
from cornerman_shared.settings.explain import explain
from cornerman_shared.settings.source import MAX_PROMPT, SourceSpec

if TYPE_CHECKING:
    from cornerman_shared.bus.address_keys import AddressKeys
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.streams import Keys

CHANGE_TRIES = 8

LATER_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "watch": ("follow", "look", "frames", "stride", "window_s"),
    "speak": ("exercises", "max_age_s", "pause_still_s", "still_motion"),
}
"""Settings that the first version lacks. At their defaults they are not written, because it refuses what it does not
know. A new setting of a source goes here."""

Verb = Literal["add", "change", "replace", "remove"]
"""What the registry's script does; all but `change` give the source another incarnation."""

log = get_logger("registry")


async def list_sources(bus: Bus) -> dict[str, SourceSpec]:
    """Sources of all shards by id. One whose settings cannot be read is left out; see `unreadable_sources`."""
    return (await read_registry(bus)).specs


async def unreadable_sources(bus: Bus) -> dict[str, str]:
    """Sources whose settings cannot be read: why, and what to do, by id."""
    return (await read_registry(bus)).unreadable


@dataclass(frozen=True, slots=True)
class RegistryContent:
    """The registry of all shards.

    Attributes:
        specs: settings by source id.
        incarnations: by source id, as of the same moment; a source that an older version added has none.
        unreadable: sources whose settings cannot be read: why, and what to do.
        unread: shards whose registry is a key of another type; see `KeyTypes`.
    """

    specs: dict[str, SourceSpec] = field(default_factory=dict)
    incarnations: dict[str, int] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    unread: set[int] = field(default_factory=set)


async def read_registry(bus: Bus, shards: Iterable[Keys] | None = None) -> RegistryContent:
    """Reads the registry of these shards (None = all); the sources are in the order of their ids."""
    found: dict[str, SourceSpec] = {}
    content = RegistryContent()
    for keys in bus.all_keys() if shards is None else shards:
        content.unread.add(keys.shard)
        rows, numbers = {}, {}
        async with (
            bus.key_types.tolerating(keys.sources, keys.incarnations),
            bus.redis.pipeline(transaction=True) as pipe,
        ):
            pipe.hgetall(keys.sources)
            pipe.hgetall(keys.incarnations)
            rows, numbers = await pipe.execute()
            content.unread.discard(keys.shard)
        for raw_id, number in numbers.items():
            content.incarnations[text_of(raw_id)] = read_number(number) or 0
        for raw_id, body in rows.items():
            try:
                found[text_of(raw_id)] = _decode(body, text_of(raw_id), bus.address_keys)
            except MalformedError as error:
                content.unreadable[text_of(raw_id)] = str(error)
                log.warning("source_unreadable", source_id=text_of(raw_id), error=str(error))
    content.specs.update(sorted(found.items()))
    return content


async def get_source(bus: Bus, source_id: str) -> SourceSpec | None:
    """Settings of a source; None if it is not registered.

    Raises:
        MalformedError: they cannot be read; says what to do.
        RetryableError: no answer.
    """
    body = await _stored(bus, source_id)
    return None if body is None else _decode(body, source_id, bus.address_keys)


async def is_registered(bus: Bus, source_id: str) -> bool:
    """Whether there is a source of this id, also one whose settings cannot be read.

    Raises:
        RetryableError: no answer.
    """
    return await _stored(bus, source_id) is not None


async def _stored(bus: Bus, source_id: str) -> bytes | None:
    key = bus.keys(source_id).sources
    async with bus.key_types.reading(key):
        body: bytes | None = await bus.redis.hget(key, source_id)
    return body


async def add_source(bus: Bus, spec: SourceSpec) -> None:
    """Registers a source, as a new incarnation.

    Raises:
        ConfigError: the id is taken.
        RetryableError: no answer, or others worked on the source `CHANGE_TRIES` times in a row.
    """
    if not await _register(bus, "add", spec.source_id, _encode(bus, spec)):
        raise ConfigError(f"source_id {spec.source_id!r} is taken; remove that source first, or choose another id")


async def put_source(bus: Bus, spec: SourceSpec) -> None:
    """Registers a source, or changes the one of the same id; another URL replaces it.

    Raises:
        RetryableError: as `add_source`.
    """
    for _ in range(CHANGE_TRIES):
        before = await _stored(bus, spec.source_id)
        if before is None:
            verb: Verb = "add"
        else:
            verb = "change" if _url_of(bus, before) == spec.url else "replace"
        if await _register(bus, verb, spec.source_id, _encode(bus, spec), before or b""):
            return
    raise _contended(spec.source_id)


async def update_source(bus: Bus, source_id: str, changes: Mapping[str, Any]) -> SourceSpec:
    """Changes settings of a registered source, e.g. `{"speak": {"strategy": "interval"}, "paused": True}`.

    Another URL replaces the source: a new incarnation, whose run and memory begin at nothing.

    Raises:
        ConfigError: unknown source, or a value that is not allowed; names the field, the value and the limits.
        RetryableError: no answer, or others changed the source `CHANGE_TRIES` times in a row.
    """
    for _ in range(CHANGE_TRIES):
        before = await _stored(bus, source_id)
        if before is None:
            raise ConfigError(f"there is no source {source_id!r}; see `cornerman sources list`")
        old = _decode(before, source_id, bus.address_keys)
        spec = changed(old, changes)
        verb: Verb = "change" if spec.url == old.url else "replace"
        # Compare and set: the script writes only if the stored settings still are `before`.
        if await _register(bus, verb, source_id, _encode(bus, spec), before):
            return spec
    raise _contended(source_id)


async def reseal_sources(bus: Bus) -> list[str]:
    """Encrypts every address again, with the first key; returns the sources whose address no key opens.

    Raises:
        RetryableError: as `update_source`; sources before it are done.
    """
    sources = await list_sources(bus)
    for source_id, spec in sources.items():
        if not is_sealed(spec.url):
            await update_source(bus, source_id, {})
    return [source_id for source_id, spec in sources.items() if is_sealed(spec.url)]


async def remove_source(bus: Bus, source_id: str) -> bool:
    """Removes a source, ends its run and its open requests as cancelled; its stored data expires after an hour.

    Capture and decider notice it within a second; what they write until then is refused.

    Returns False if the source was not registered.

    Raises:
        RetryableError: as `add_source`.
    """
    return await _register(bus, "remove", source_id, b"")


async def _register(bus: Bus, verb: Verb, source_id: str, body: bytes, before: bytes = b"") -> bool:
    """Runs the registry's script; False if the source is there, gone or changed and the verb expects otherwise."""
    keys, maxlen = bus.keys(source_id), bus.settings.bus.feedback_maxlen
    detail = "the source was removed" if verb == "remove" else "the source was replaced"
    for _ in range(CHANGE_TRIES):
        run, farewell, ends = ("", b"", []) if verb == "change" else await _last_events(bus, source_id, detail)
        reply = await bus.scripts.run(
            "register",
            _keys(bus, source_id),
            [source_id, body, before, verb, KEEP_REMOVED_S, maxlen, run, farewell, detail, *ends],
        )
        if reply != -2:
            return int(reply) >= 0
    log.warning("source_busy", source_id=source_id, shard=keys.shard)
    raise _contended(source_id)


async def _last_events(bus: Bus, source_id: str, cause: str) -> tuple[str, bytes, list[str | bytes]]:
    """What ends an incarnation: its run, its last state (empty = it has ended), each open request and its end."""
    keys, now_s = bus.keys(source_id), bus.clock.now_s()
    run, state, incarnation = await _run_fields(bus, source_id)
    farewell = b""
    if run and state not in ("", "ended", "failed"):
        farewell = pack(StateEvent(source_id, run, "ended", cause, now_s, incarnation))
    ends: list[str | bytes] = []
    for request_id in await open_requests(bus, source_id):
        ends += [request_id, pack(cancelled_event(source_id, run, request_id, cause, now_s, incarnation))]
    log.debug("incarnation_ends", source_id=source_id, shard=keys.shard, run=run, requests=len(ends) // 2)
    return run, farewell, ends


async def _run_fields(bus: Bus, source_id: str) -> tuple[str, str, int]:
    """Run, state and incarnation as stored; nothing if the key is damaged, which the script then deletes."""
    keys = bus.keys(source_id)
    async with bus.key_types.reading(keys.incarnations):
        try:
            run, state = await bus.redis.hmget(keys.run(source_id), ["run", "state"])
        except redis.exceptions.ResponseError as error:
            log.warning("run_unreadable", source_id=source_id, error=str(error))
            run = state = None
        incarnation = await bus.redis.hget(keys.incarnations, source_id)
    return (run or b"").decode(errors="replace"), (state or b"").decode(errors="replace"), read_number(incarnation) or 0


def _contended(source_id: str) -> RetryableError:
    return RetryableError(f"source {source_id!r} was changed by others {CHANGE_TRIES} times in a row; try again")


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


def _known(stored: Mapping[str, Any], section: type[BaseModel]) -> dict[str, Any]:
    """Stored settings without those of a newer version, which may write beside this one during a rollout."""
    known = {name: value for name, value in stored.items() if name in section.model_fields}
    for name, value in known.items():
        inner = section.model_fields[name].annotation
        if isinstance(value, dict) and isinstance(inner, type) and issubclass(inner, BaseModel):
            known[name] = _known(value, inner)
    return known


class RegistryWatcher:
    """Cached copy of the registry, refreshed by polling one counter per shard.

    Args:
        bus: an open bus.
        shards: to watch; None = all.

    Attributes:
        specs: settings by source id.
        incarnations, unreadable: as in `RegistryContent`.
    """

    def __init__(self, bus: Bus, shards: Sequence[Keys] | None = None) -> None:
        self._bus = bus
        self._shards = tuple(bus.all_keys() if shards is None else shards)
        self._revisions: list[bytes | None] | None = None
        self._was_read = False
        self.specs: dict[str, SourceSpec] = {}
        self.incarnations: dict[str, int] = {}
        self.unreadable: dict[str, str] = {}

    async def refresh(self) -> bool:
        """Polls once; True if a source changed.

        Raises:
            RetryableError: no answer.
        """
        known, self._revisions = self._revisions, None  # after a failure the server may be another: read it again
        revisions = [await self._revision(keys) for keys in self._shards]
        if revisions == known:
            self._revisions = known
            return False
        # Sources are read after the counters: a change in between is read again at the next poll.
        content = await read_registry(self._bus, self._shards)
        self._keep(content)
        before = (self.specs, self.incarnations, self.unreadable)
        self.specs, self.incarnations, self.unreadable = content.specs, content.incarnations, content.unreadable
        self._revisions = None if content.unread else revisions
        again, self._was_read = self._was_read and known is None, True
        return (not content.unread and not again) or before != (self.specs, self.incarnations, self.unreadable)

    async def _revision(self, keys: Keys) -> bytes | None:
        """The counter of a shard; None if there is none, or its key holds another type."""
        numbers: list[bytes | None] = []
        async with self._bus.key_types.tolerating(keys.sources_revision):
            numbers.append(await self._bus.redis.get(keys.sources_revision))
        return numbers[0] if numbers else None

    def _keep(self, content: RegistryContent) -> None:
        """Copies what was read before of the shards that could not be read: it goes on until their keys are right."""
        unread = {name for name in (*self.specs, *self.unreadable) if self._bus.keys(name).shard in content.unread}
        content.specs.update({name: spec for name, spec in self.specs.items() if name in unread})
        content.incarnations.update({name: n for name, n in self.incarnations.items() if name in unread})
        content.unreadable.update({name: cause for name, cause in self.unreadable.items() if name in unread})


def _keys(bus: Bus, source_id: str) -> list[str]:
    """The registry's keys, the keys of all data stored of the source, ended runs and notes; see `register.lua`."""
    k = bus.keys(source_id)
    stored = (k.run, k.counters, k.decider_state, k.stills, k.inflight, k.feedback, k.display, k.push)
    registry = [k.sources, k.sources_revision, k.incarnations, k.open_requests, k.feedback_all]
    return [*registry, *(key(source_id) for key in stored), k.retired, k.wakeups]


def _url_of(bus: Bus, body: bytes) -> str:
    """URL in stored settings; empty if they cannot be read."""
    try:
        return bus.address_keys.open(str(unpack_map(body).get("url", "")))
    except MalformedError:
        return ""


def stored_settings(spec: SourceSpec) -> dict[str, Any]:
    """The settings as they are stored, and as every version that knows no later ones reads them."""
    body = spec.model_dump(mode="json")
    for section, names in LATER_FIELDS.items():
        for name in names:
            if getattr(getattr(spec, section), name) == SourceSpec.model_fields[section].default.model_dump()[name]:
                del body[section][name]
    return body


def _encode(bus: Bus, spec: SourceSpec) -> bytes:
    return pack_map({**stored_settings(spec), "url": bus.address_keys.seal(spec.url)})


def _decode(body: bytes, source_id: str, keys: AddressKeys = NO_KEYS) -> SourceSpec:
    try:
        stored = unpack_map(body)
        if isinstance(stored.get("url"), str):
            stored["url"] = keys.open(stored["url"])
        spec = read_settings(stored)
    except (MalformedError, ValueError) as error:  # ValueError: pydantic's too
        cause = "; ".join((explain(error) if isinstance(error, ValidationError) else str(error)).splitlines())
        raise MalformedError(
            f"the stored settings of source {source_id!r} cannot be read ({cause}); remove the source and add it again"
        ) from None
    remember_url(spec.url)
    return spec


def read_settings(body: Mapping[str, Any]) -> SourceSpec:
    """The settings that this or another version stored.

    Raises:
        ValidationError: a value is missing or not allowed.
    """
    stored = _known(body, SourceSpec)
    say = stored.get("say")
    if isinstance(say, dict):
        # An older writer had no bound; its source goes on with a shorter prompt.
        cut = {name: say[name][:MAX_PROMPT] for name in ("prompt", "system_prompt") if isinstance(say.get(name), str)}
        stored["say"] = {**say, **cut}
    return SourceSpec.model_validate(stored)
