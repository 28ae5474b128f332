"""Bytes of a source's state. Another decider that reads them continues exactly where this one stopped. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from cornerman_common.gate import GateState
from cornerman_decider.state import DeciderState, OpenRequest
from cornerman_shared.bus.codec import pack_map, read_array, unpack_map
from cornerman_shared.bus.messages import BlobRef, ChunkRef, MistakeSeen, MovementSeen
from cornerman_shared.errors import MalformedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cornerman_decider.state import Value

VERSION = 1
QUESTION_PREFIX = "question:"  # each question has a field, so that the state, rewritten for each chunk, stays small
STATE_FIELD = "state"  # of the source's hash `Keys.decider_state`; another field holds the last feedback


def state_bytes(state: DeciderState) -> bytes:
    """The state as msgpack."""
    # The keys are stored data of running installations; two differ from the fields they hold.
    return pack_map(
        {
            "v": VERSION,
            "run": state.run,
            "next_seq": state.next_seq,
            "ended": state.ended,
            "strategy": state.strategy,
            "memory": state.memory,
            "prompt": state.prompt,
            "fresh_since_s": state.prompt_since_s,
            "gate": asdict(state.gate),
            "context": [asdict(chunk) for chunk in state.context],
            "latest": asdict(state.latest) if state.latest else None,
            "open": [asdict(request) for request in state.open if request.kind != "question"],
            "about": asdict(state.about) if state.about else None,
            "told": state.reported_error,
        }
    )


def state_from(data: bytes) -> DeciderState:
    """The state that `state_bytes` wrote.

    Raises:
        MalformedError: the bytes are of another format or version.
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
            prompt_since_s=body["fresh_since_s"],
            gate=GateState(**body["gate"]),
            context=tuple(_chunk(chunk) for chunk in body["context"]),
            latest=_chunk(body["latest"]) if body["latest"] else None,
            open=tuple(OpenRequest(**{**each, "refs": _refs(each["refs"])}) for each in body["open"]),
            about=_about(body.get("about")),  # absent in states of 0.1
            reported_error=body["told"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise MalformedError(f"incomplete decider state: {error}. Start the source again.") from None


def question_field(request_id: str) -> str:
    """Field of `Keys.decider_state` for an open question."""
    return f"{QUESTION_PREFIX}{request_id}"


def question_bytes(request: OpenRequest) -> bytes:
    """The value of `question_field`."""
    return pack_map(asdict(request))


def questions_from(fields: Mapping[bytes, bytes]) -> tuple[OpenRequest, ...]:
    """The open questions among the fields of `Keys.decider_state`.

    Raises:
        MalformedError: a field is not a question of this version.
    """
    bodies = [unpack_map(data) for name, data in sorted(fields.items()) if name.startswith(QUESTION_PREFIX.encode())]
    try:
        return tuple(OpenRequest(**{**body, "refs": _refs(body["refs"])}) for body in bodies)
    except (KeyError, TypeError) as error:
        raise MalformedError(f"incomplete question in the decider's state: {error}") from None


def _value(value: object) -> Value:
    if isinstance(value, dict):  # arrays are the only maps among a memory's values
        return cast("Value", read_array(value, "memory"))
    return cast("Value", value)


def _about(body: Mapping[str, Any] | None) -> MovementSeen | None:
    if body is None:
        return None
    mistakes = (MistakeSeen(**{**one, "landmarks": tuple(one["landmarks"])}) for one in body["mistakes"])
    lists = {name: tuple(body[name]) for name in ("missing", "limits", "reasons")}
    return MovementSeen(**{**body, **lists, "mistakes": tuple(mistakes)})


def _chunk(body: Mapping[str, Any]) -> ChunkRef:
    return ChunkRef(
        seq=body["seq"],
        pts_s=body["pts_s"],
        frame_pts_s=tuple(body["frame_pts_s"]),
        context=_ref(body["context"]),
        video=_ref(body["video"]),
        frames=_ref(body["frames"]),
        captured_at_s=body.get("captured_at_s", 0.0),  # states of older builds lack it
    )


def _ref(body: Mapping[str, Any] | None) -> BlobRef | None:
    return None if body is None else BlobRef(body["key"], body["dtype"], tuple(body["shape"]))


def _refs(bodies: list[Mapping[str, Any]]) -> tuple[BlobRef, ...]:
    return tuple(BlobRef(body["key"], body["dtype"], tuple(body["shape"])) for body in bodies)
