"""State of one source between two chunks: run, strategy memory, gate, context and open requests; and its changes.

Pure. `state_codec` turns the state into bytes, which are saved in the same hop as each decision.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from numpy.typing import NDArray

from cornerman_common.gate import GateState
from cornerman_shared.bus.messages import Action, BlobRef, ChunkRef, RequestKind

if TYPE_CHECKING:
    from collections.abc import Container

    from cornerman_shared.bus.messages import Action, BlobRef, Features, MovementSeen, RequestKind

Value: TypeAlias = float | int | bool | str | NDArray[Any] | list[float] | None
Memory: TypeAlias = dict[str, Value]
"""Memory of a strategy: plain values and arrays by name."""


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A request without an end so far; holds enough to write the end if no generator does.

    `refs` are the blobs it reads: they outlive the context while it is open.
    """

    request_id: str
    run: str
    seq: int
    kind: RequestKind
    action: Action
    pts_s: float
    prompt: str
    deadline_at_s: float
    refs: tuple[BlobRef, ...]
    picture_age_s: float = 0.0


@dataclass(frozen=True, slots=True)
class DeciderState:
    """Everything that is remembered of one source between two chunks.

    `incarnation` is that of the source when `run` began; 0 = unknown. Another one voids the whole memory.
    """

    run: str = ""
    incarnation: int = 0
    next_seq: int = 0
    ended: bool = False
    strategy: str = ""  # name of the strategy that `memory` belongs to
    made_from: str | None = None  # the settings that `memory` was learned under; None = an older version wrote it
    memory: Memory = field(default_factory=dict)
    prompt: str = ""
    prompt_since_s: float = 0.0  # media time of the first chunk under `prompt`; older text belongs to another prompt
    gate: GateState = field(default_factory=GateState)
    context: tuple[ChunkRef, ...] = ()
    latest: ChunkRef | None = None
    open: tuple[OpenRequest, ...] = ()
    about: MovementSeen | None = None  # the newest decision's, for questions
    reported_error: str = ""  # the strategy's failure that was published already; it is published once


def new_run(run: str, before: DeciderState, incarnation: int = 0, next_seq: int = 0) -> DeciderState:
    """State for a new run of a source; open requests stay, with the blobs they read.

    Those of another incarnation were ended by the script that ended it.
    """
    same = incarnation == 0 or before.incarnation in (0, incarnation)
    return DeciderState(run=run, incarnation=incarnation, next_seq=next_seq, open=before.open if same else ())


def add_request(state: DeciderState, request: OpenRequest) -> DeciderState:
    """Adds a request that the same hop writes."""
    return replace(state, open=(*state.open, request))


def drop_ended_requests(state: DeciderState, still_open: Container[str]) -> tuple[DeciderState, tuple[BlobRef, ...]]:
    """Forgets requests that have ended; returns the state and the blobs that only they read."""
    kept = tuple(request for request in state.open if request.request_id in still_open)
    if len(kept) == len(state.open):
        return state, ()
    after = replace(state, open=kept)
    return after, unreferenced_blobs(state, after)


def has_open_feedback(state: DeciderState) -> bool:
    """True while a request is open that the source itself made. Questions do not count."""
    return any(request.kind == "feedback" for request in state.open)


def is_overdue(request: OpenRequest, attempt: int, grace_s: float, now_s: float) -> bool:
    """True past the deadline; a request that a generator has taken gets `grace_s` more, seconds."""
    if request.deadline_at_s == 0:
        return False
    return now_s > request.deadline_at_s + (grace_s if attempt else 0.0)


def question_context(state: DeciderState) -> tuple[ChunkRef, ...]:
    """The chunks that a question is about: the context, or at least the newest chunk."""
    if state.context:
        return state.context
    return (state.latest,) if state.latest else ()


def went_back(known: DeciderState, stored: DeciderState) -> bool:
    """Whether the server has an older state of the run than it has acknowledged."""
    return known.run != "" and stored.run in ("", known.run) and stored.next_seq < known.next_seq


def unreferenced_blobs(
    before: DeciderState, after: DeciderState, reading: tuple[ChunkRef, ...] = ()
) -> tuple[BlobRef, ...]:
    """Blobs that `before` refers to, and neither `after` nor the chunks being read do; each once."""
    kept = {ref.key for ref in (*_refs(after), *blobs_of(reading))}
    return tuple({ref.key: ref for ref in _refs(before) if ref.key not in kept}.values())


def chunk_ref(features: Features) -> ChunkRef:
    """The chunk as a request refers to it."""
    return ChunkRef(
        seq=features.seq,
        pts_s=features.pts_s,
        frame_pts_s=features.frame_pts_s,
        context=features.context,
        video=features.video,
        frames=features.frames,
        captured_at_s=features.times.captured_at_s,
    )


def extend_context(
    context: tuple[ChunkRef, ...], chunk: ChunkRef, limit: int, timeout_s: float
) -> tuple[ChunkRef, ...]:
    """The context with `chunk` added.

    Args:
        limit: chunks kept at most.
        timeout_s: chunks more than this much older than the new one are dropped; 0 = kept at any age.
    """
    kept = [old for old in context if timeout_s == 0 or chunk.pts_s - old.pts_s <= timeout_s]
    return (*kept, chunk)[-limit:]


def blobs_of(chunks: tuple[ChunkRef, ...]) -> tuple[BlobRef, ...]:
    """Every blob that the chunks refer to."""
    return tuple(ref for chunk in chunks for ref in (chunk.context, chunk.video, chunk.frames) if ref)


def _refs(state: DeciderState) -> tuple[BlobRef, ...]:
    latest = (state.latest,) if state.latest else ()
    read = tuple(ref for request in state.open for ref in request.refs)
    return (*blobs_of(state.context), *blobs_of(latest), *read)
