"""Keys of the bus; no other module spells a key.

A source belongs to the shard `crc32(source_id) % shards`. All keys of a shard carry the hash tag `{cm<shard>}`, so that
one script may use them together on Redis Cluster.

    capture --chunks--> encoder --features--> decider --requests--> generator --feedback:<source>--> subscriber
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

FIELD = b"m"
"""The only field of a stream entry; its value is a msgpack map."""

GROUP_ENCODER = "encoder"
GROUP_DECIDER = "decider"
GROUP_GENERATOR = "generator"

NOTE_SOURCE = "source:"
"""Begins the note (`Keys.wakeups`) of a source that was added, changed, replaced or removed; its id follows."""

NOTE_ENDED = "ended:"
"""Begins the note of a request that was ended by another than its generator; its id follows."""

KEEP_REMOVED_S = 3600
"""Stored data of a removed source expires after this, seconds."""

FIRST_ID = "0-0"
"""The id before every entry of a stream."""


def shard_of(source_id: str, shards: int) -> int:
    """Shard of a source: crc32 of its UTF-8 id modulo the number of shards."""
    return zlib.crc32(source_id.encode()) % shards


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of one shard."""

    shard: int

    @classmethod
    def of(cls, source_id: str, shards: int) -> Keys:
        """Keys of the shard of a source."""
        return cls(shard_of(source_id, shards))

    def _key(self, *parts: str) -> str:
        return ":".join((f"{{cm{self.shard}}}", *parts))

    # Streams, in the order of the flow.
    @property
    def chunks(self) -> str:
        """`Chunk`, capture to encoder; group `encoder`."""
        return self._key("chunks")

    @property
    def features(self) -> str:
        """`Features`, encoder to decider; group `decider`."""
        return self._key("features")

    @property
    def questions(self) -> str:
        """`Question`, user to decider; group `decider`."""
        return self._key("questions")

    @property
    def requests(self) -> str:
        """`Request`, decider to generator; group `generator`."""
        return self._key("requests")

    @property
    def feedback_all(self) -> str:
        """Every `Event` of every source of the shard."""
        return self._key("feedback")

    def feedback(self, source_id: str) -> str:
        """Every `Event` of one source: the stream to subscribe to."""
        return self._key("feedback", source_id)

    @property
    def dead(self) -> str:
        """`DeadLetter`: entries that could not be processed."""
        return self._key("dead")

    def display(self, source_id: str) -> str:
        """Short ring of preview JPEGs at the source's frame rate, written only while a viewer is connected."""
        return self._key("display", source_id)

    def push(self, source_id: str) -> str:
        """JPEGs pushed by a browser; `push://` reads them."""
        return self._key("push", source_id)

    def stills(self, source_id: str) -> str:
        """Hash: `still_field` -> raw frame of a chunk with feedback. The newest few, for an hour."""
        return self._key("stills", source_id)

    # State.
    @property
    def sources(self) -> str:
        """Hash: source_id -> `SourceSpec`."""
        return self._key("sources")

    @property
    def sources_declared(self) -> str:
        """Set of ids that the settings have declared once; such a source is not added again."""
        return self._key("sources", "declared")

    @property
    def sources_revision(self) -> str:
        """Counter that every change of `sources` raises; watchers poll it."""
        return self._key("sources", "revision")

    @property
    def incarnations(self) -> str:
        """Hash: source_id -> incarnation, the revision at which the source was added or replaced."""
        return self._key("sources", "incarnations")

    @property
    def retired(self) -> str:
        """Hash: `<source>:<run>` of a run that was replaced or removed -> chunks published; its arrays are freed."""
        return self._key("retired")

    @property
    def wakeups(self) -> str:
        """Short notes: a source has changed, a request was ended. See `wakeups`; who misses one polls."""
        return self._key("wakeups")

    def run(self, source_id: str) -> str:
        """Hash of the current run: `run` (empty = none has begun), `published` (next seq), `state`, `ended` …"""
        return self._key("run", source_id)

    def counters(self, source_id: str) -> str:
        """Hash of counters of the current run: captured, published, `dropped:<reason>`, decided and so on."""
        return self._key("counters", source_id)

    def inflight(self, source_id: str) -> str:
        """Sorted set of the chunks on the bus (the credit in use), scored by server time."""
        return self._key("inflight", source_id)

    def decider_state(self, source_id: str) -> str:
        """Hash: the decider's state of a source, saved in the same hop as its decisions."""
        return self._key("decider", source_id)

    @property
    def open_requests(self) -> str:
        """Hash: request_id -> attempt. The hop that ends a request deletes its field, so that there is only one end."""
        return self._key("open")

    def asked(self, source_id: str) -> str:
        """Sorted set of question ids that wait for the decider, scored by server time; expires with their deadline."""
        return self._key("asked", source_id)

    def answered(self, source_id: str) -> str:
        """Sorted set of question ids of the last hour that the decider has taken, so that each is taken once."""
        return self._key("answered", source_id)

    def watching(self, source_id: str) -> str:
        """Exists, with a short TTL, while a viewer of the source's preview is connected."""
        return self._key("watching", source_id)

    def lease(self, name: str) -> str:
        """Owner of the lease `name`; expires unless renewed."""
        return self._key("lease", name)

    def fence(self, name: str) -> str:
        """Generation of the lease `name`; only ever rises, and expires long after the lease."""
        return self._key("fence", name)

    @property
    def generations(self) -> str:
        """Counter of the generations of all leases, so that one may expire and none is given twice."""
        return self._key("generations")

    def blob(self, source_id: str, run: str, seq: int, array: str) -> str:
        """Bytes of one array of one chunk: `frames`, `context` or `video`."""
        return self._key("blob", source_id, run, str(seq), array)


def moment_ms(pts_s: float) -> int:
    """Media time in whole milliseconds: identifies a frame within a run."""
    return round(pts_s * 1000)


def still_field(run: str, moment: int) -> str:
    """Field of `Keys.stills` for a frame, named by its `moment_ms`."""
    return f"{run}:{moment}"


def still_order(field: bytes) -> tuple[bytes, int]:
    """Sort key of still fields, oldest first; a run id begins with its start time."""
    run, _, moment = field.rpartition(b":")
    return run, int(moment)


def entry_order(entry_id: str) -> tuple[int, int]:
    """Sort key of an entry id, `milliseconds-number`: `9-0` comes before `10-0`. A missing number is 0."""
    time_ms, _, number = entry_id.partition("-")
    return int(time_ms), int(number or 0)


def question_request_id(source_id: str, question_id: str) -> str:
    """Id of the request that answers a question."""
    return f"{source_id}:q:{question_id}"


def is_question_request(source_id: str, request_id: str) -> bool:
    """Whether the request answers a question about this source."""
    return request_id.startswith(question_request_id(source_id, ""))


def worker_key(role: str, name: str) -> str:
    """`WorkerStatus` of one process, with a short TTL."""
    return f"cm:worker:{role}:{name}"


WORKERS = "cm:workers"
"""Sorted set of `role:name`, scored by the unix time of the newest status."""

SHARDS = "cm:shards"
"""Number of shards of this server's data; a process with another number refuses to start."""


def dead_stream(stream: str) -> str:
    """Dead-letter stream of the shard that `stream` belongs to."""
    return Keys(int(stream[stream.index("{cm") + 3 : stream.index("}")])).dead


def counters_of(reply: Any) -> dict[str, int]:
    """Counters in a reply to HGETALL. A field that holds no number is left out; so is a reply that is an error."""
    if not isinstance(reply, Mapping):
        return {}
    numbers = {name: count for name, count in reply.items() if read_number(count.removeprefix(b"-")) is not None}
    return {text_of(name): int(count) for name, count in numbers.items()}


def entries_of(reply: Any) -> list[tuple[str, list[tuple[str, bytes | None]]]]:
    """Streams of a reply to XREADGROUP, each with its entries: id and body (see `body_of`)."""
    return [(text_of(key), [(text_of(i), body_of(fields)) for i, fields in entries]) for key, entries in reply or ()]


def body_of(fields: Any) -> bytes | None:
    """Value of the entry's field; None if the entry was trimmed, empty bytes if the field is missing."""
    if not fields:
        return None
    return bytes(fields.get(FIELD, b""))


def read_number(raw: bytes | None) -> int | None:
    """A stored count, attempt or incarnation; None if it is missing, or damaged."""
    return int(raw) if raw and raw.isdigit() and len(raw) <= 15 else None


def read_numbers(fields: Iterable[str], values: Iterable[bytes | None]) -> dict[str, int | None]:
    """The fields that are stored, each with its number; None = it is damaged."""
    return {name: read_number(raw) for name, raw in zip(fields, values, strict=True) if raw is not None}


def text_of(raw: bytes | str) -> str:
    """The text of a reply, which is bytes or text."""
    return raw.decode(errors="replace") if isinstance(raw, bytes) else raw
