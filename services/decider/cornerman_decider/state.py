"""The decider's memory of one source, and its bytes: saved in the same hop as each decision, so that another decider
continues exactly where this one stopped. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias, cast

from numpy.typing import NDArray

from cornerman_decider.gate import GateState
from cornerman_shared.bus.codec import pack_map, read_array, unpack_map
from cornerman_shared.bus.messages import Action, BlobRef, ChunkRef, RequestKind
from cornerman_shared.errors import MalformedError

VERSION = 1

Value: TypeAlias = float | int | bool | str | NDArray[Any] | list[float] | None
Memory: TypeAlias = dict[str, Value]
"""What a strategy remembers: plain values and arrays under names."""


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A request whose end has not been seen; enough of it to end it when nobody else does.

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


@dataclass(frozen=True, slots=True)
class DeciderState:
    """All that is remembered of one source between two chunks."""

    run: str = ""
    next_seq: int = 0
    ended: bool = False
    strategy: str = ""  # whose `memory` it is
    memory: Memory = field(default_factory=dict)
    prompt: str = ""
    fresh_since_s: float = 0.0  # words about earlier pictures belong to an older instruction
    gate: GateState = field(default_factory=GateState)
    context: tuple[ChunkRef, ...] = ()
    latest: ChunkRef | None = None
    open: tuple[OpenRequest, ...] = ()
    told: str = ""  # the failure that people have been told of already


def state_bytes(state: DeciderState) -> bytes:
    """The state as msgpack."""
    return pack_map(
        {
            "v": VERSION,
            "run": state.run,
            "next_seq": state.next_seq,
            "ended": state.ended,
            "strategy": state.strategy,
            "memory": state.memory,
            "prompt": state.prompt,
            "fresh_since_s": state.fresh_since_s,
            "gate": asdict(state.gate),
            "context": [asdict(chunk) for chunk in state.context],
            "latest": asdict(state.latest) if state.latest else None,
            "open": [asdict(request) for request in state.open],
            "told": state.told,
        }
    )


def state_from(data: bytes) -> DeciderState:
    """The state that `state_bytes` wrote.

    Raises:
        MalformedError: other bytes, or another version's.
    """
    body = unpack_map(data)
    if body.get("v") != VERSION:
        raise MalformedError(
            f"decider state of version {body.get('v')!r}; this build reads {VERSION}. Start the source again."
        )
    try:
        return DeciderState(
            run=body["run"],
            next_seq=body["next_seq"],
            ended=body["ended"],
            strategy=body["strategy"],
            memory={key: _value(value) for key, value in body["memory"].items()},
            prompt=body["prompt"],
            fresh_since_s=body["fresh_since_s"],
            gate=GateState(**body["gate"]),
            context=tuple(_chunk(chunk) for chunk in body["context"]),
            latest=_chunk(body["latest"]) if body["latest"] else None,
            open=tuple(OpenRequest(**{**each, "refs": _refs(each["refs"])}) for each in body["open"]),
            told=body["told"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise MalformedError(f"decider state is not whole: {error}. Start the source again.") from None


def _value(value: object) -> Value:
    if isinstance(value, dict):
        return cast(Value, read_array(value, "memory"))
    return cast(Value, value)


def _chunk(body: Mapping[str, Any]) -> ChunkRef:
    return ChunkRef(
        seq=body["seq"],
        pts_s=body["pts_s"],
        frame_pts_s=tuple(body["frame_pts_s"]),
        context=_ref(body["context"]),
        video=_ref(body["video"]),
        frames=_ref(body["frames"]),
    )


def _ref(body: Mapping[str, Any] | None) -> BlobRef | None:
    return None if body is None else BlobRef(body["key"], body["dtype"], tuple(body["shape"]))


def _refs(bodies: list[Mapping[str, Any]]) -> tuple[BlobRef, ...]:
    return tuple(BlobRef(body["key"], body["dtype"], tuple(body["shape"])) for body in bodies)
