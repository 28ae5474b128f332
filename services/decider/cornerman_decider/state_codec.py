"""Bytes of a source's state. Another decider that reads them continues exactly where this one stopped. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from cornerman_common.gate import GateState
from cornerman_decider.state import DeciderState, OpenRequest
from cornerman_shared.bus.codec import pack_map, read_array, read_field, unpack_map
from cornerman_shared.bus.messages import ChunkRef, MovementSeen
from cornerman_shared.errors import MalformedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cornerman_decider.state import Value

VERSION = 1
QUESTION_PREFIX = "question:"  # each question has a field, so that the state, rewritten for each chunk, stays small
STATE_FIELD = "state"  # of the source's hash `Keys.decider_state`; another field holds the last feedback
# The place in the run, in plain text: a state that cannot be read starts over there, and decides no chunk twice.
PLACE_FIELD = "place"


def state_bytes(state: DeciderState) -> bytes:
    """The state as msgpack."""
    # The keys are stored data of running installations; two differ from the fields they hold.
    return pack_map(
        {
            "v": VERSION,
            "run": state.run,
            "incarnation": state.incarnation,
            "next_seq": state.next_seq,
            "ended": state.ended,
            "strategy": state.strategy,
            "memory": state.memory,
            "prompt": state.prompt,
            "fresh_since_s": state.prompt_since_s,
            "made_from": state.made_from,
            "gate": _gate_map(state.gate),
            "cue_floors": asdict(_CueFloors(state.gate.praise_floor, state.gate.correction_floor)),
            "context": [asdict(chunk) for chunk in state.context],
            "latest": asdict(state.latest) if state.latest else None,
            "open": [_open_map(request) for request in state.open if request.kind != "question"],
            "picture_ages_s": {one.request_id: one.picture_age_s for one in state.open if one.kind != "question"},
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
        memory = body["memory"]
        if not isinstance(memory, dict):
            raise MalformedError(f"memory: expected a map, got {type(memory).__name__}")
        return DeciderState(
            run=read_field(body["run"], str, "run"),
            incarnation=read_field(body.get("incarnation", 0), int, "incarnation"),  # older versions write none
            next_seq=read_seq(body["next_seq"]),
            ended=read_field(body["ended"], bool, "ended"),
            strategy=read_field(body["strategy"], str, "strategy"),
            made_from=_text_or_none(body.get("made_from")),
            memory={key: _value(value) for key, value in memory.items()},
            prompt=read_field(body["prompt"], str, "prompt"),
            prompt_since_s=read_field(body["fresh_since_s"], float, "fresh_since_s"),
            gate=_gate(body),
            context=tuple(read_field(chunk, ChunkRef, "context") for chunk in _list(body["context"], "context")),
            latest=read_field(body["latest"], ChunkRef, "latest") if body["latest"] is not None else None,
            open=_open_requests(body),
            about=read_field(body["about"], MovementSeen, "about") if body.get("about") is not None else None,
            reported_error=read_field(body["told"], str, "told"),
        )
    except KeyError as error:
        raise MalformedError(f"decider state lacks {error}. Start the source again.") from None


def place_text(state: DeciderState) -> str:
    """The place of a state in its run: `<next seq> <run>`."""
    return f"{state.next_seq} {state.run}"


def place_from(data: bytes | None) -> DeciderState | None:
    """A state that knows only its place in the run, as `place_text` wrote it; None if it is not stored."""
    try:
        next_seq, _, run = (data or b"").decode().partition(" ")
        return DeciderState(run, next_seq=read_seq(int(next_seq)))
    except (ValueError, MalformedError):
        return None


def read_seq(value: object) -> int:
    """The number of a chunk.

    Raises:
        MalformedError: not a whole number from 0.
    """
    seq = read_field(value, int, "next_seq")
    if seq < 0:
        raise MalformedError(f"next_seq: {seq} is below 0")
    return seq


@dataclass(frozen=True, slots=True)
class _OldGate:
    """The gate's memory as the first version wrote it; its readers refuse a map with another field."""

    spoke_at_s: float | None
    praised_at_s: float | None
    corrected_at_s: float | None
    praise_lasts: bool
    correction_lasts: bool


@dataclass(frozen=True, slots=True)
class _CueFloors:
    praise: float | None
    correction: float | None


def _gate_map(gate: GateState) -> dict[str, object]:
    lasts = (gate.praise_floor is not None, gate.correction_floor is not None)
    return asdict(_OldGate(gate.spoke_at_s, gate.praised_at_s, gate.corrected_at_s, *lasts))


def _gate(body: dict[str, Any]) -> GateState:
    """The gate's memory; a cue that an older version saw last counts as certain."""
    old = read_field(body["gate"], _OldGate, "gate")
    floors = _CueFloors(1.0 if old.praise_lasts else None, 1.0 if old.correction_lasts else None)
    if "cue_floors" in body:
        floors = read_field(body["cue_floors"], _CueFloors, "cue_floors")
    return GateState(old.spoke_at_s, old.praised_at_s, old.corrected_at_s, floors.praise, floors.correction)


def _text_or_none(value: object) -> str | None:
    return None if value is None else read_field(value, str, "made_from")


def _open_map(request: OpenRequest) -> dict[str, object]:
    """A request as the first version wrote it: its readers refuse a map with another field."""
    return {name: value for name, value in asdict(request).items() if name != "picture_age_s"}


def _open_requests(body: dict[str, Any]) -> tuple[OpenRequest, ...]:
    ages_s = read_field(body.get("picture_ages_s", {}), dict[str, float], "picture_ages_s")
    found = (read_field(each, OpenRequest, "open") for each in _list(body["open"], "open"))
    return tuple(replace(each, picture_age_s=ages_s.get(each.request_id, 0.0)) for each in found)


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise MalformedError(f"{where}: expected a list, got {type(value).__name__}")
    return value


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
    found = [data for name, data in sorted(fields.items()) if name.startswith(QUESTION_PREFIX.encode())]
    return tuple(read_field(unpack_map(data), OpenRequest, "question") for data in found)


def _value(value: object) -> Value:
    if isinstance(value, dict):  # arrays are the only maps among a memory's values
        return cast("Value", read_array(value, "memory"))
    if isinstance(value, list) and all(isinstance(item, float) for item in value):
        return cast("Value", value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise MalformedError(f"memory: expected a value, a list of numbers or an array, got {type(value).__name__}")
