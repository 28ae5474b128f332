"""Encodes messages as msgpack maps with a schema version `v` and a type `t`.

    {"v": 1, "t": "chunk", "source_id": "cam1", "seq": 7, ...}

Arrays are `{"dtype", "shape", "data"}`, packed from the array's own memory. Decoding checks every field against the
dataclass and raises a `MalformedError` that names the field. Unknown fields, which a newer writer may add, are ignored.
An empty `traceparent` is left out.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

import msgpack
import numpy as np
from numpy.typing import NDArray

from cornerman_shared.bus.messages import (
    Chunk,
    DeadLetter,
    DecisionEvent,
    DeltaEvent,
    EndEvent,
    ErrorEvent,
    Event,
    Features,
    Question,
    Request,
    StartEvent,
    StateEvent,
    WorkerStatus,
)
from cornerman_shared.errors import MalformedError
from cornerman_shared.redact import redact_url
from cornerman_shared.text import clean_text

VERSION = 1

NAMES: dict[type, str] = {
    Chunk: "chunk",
    Features: "features",
    Request: "request",
    Question: "question",
    DecisionEvent: "decision",
    StartEvent: "start",
    DeltaEvent: "delta",
    EndEvent: "end",
    ErrorEvent: "error",
    StateEvent: "state",
    DeadLetter: "dead",
    WorkerStatus: "worker",
}
EVENTS: dict[str, type] = {NAMES[kind]: kind for kind in typing.get_args(Event)}

SAID: dict[type, str] = {
    EndEvent: "cause",
    ErrorEvent: "message",
    StateEvent: "detail",
    DeadLetter: "reason",
    WorkerStatus: "reason",
}
"""Fields with words of other programs: errors that may quote a password or a terminal's escape sequence."""
MAX_SAID = 2_000
# Limits of arrays that are read, against a length field that would exhaust memory.
MAX_ARRAY_BYTES = 256 * 1024 * 1024
MAX_DIMENSIONS = 16
# Checked before `np.dtype`, which also accepts None, structures and whole expressions.
_DTYPE = re.compile(r"[<>|=]?[biuf][0-9]{1,2}|bool|u?int(8|16|32|64)|float(16|32|64)")

T = TypeVar("T")
Plain = dict[str, Any]
Reader = Callable[[object, str], Any]
Writer = Callable[[Any], object]


def pack(message: object) -> bytes:
    """Encodes a message.

    Raises:
        TypeError: not a message of `NAMES`.
    """
    name = NAMES.get(type(message))
    if name is None:
        raise TypeError(f"{type(message).__name__} is not a message; the messages are {', '.join(NAMES.values())}")
    body = {"v": VERSION, "t": name, **_fields(message)}
    if said := SAID.get(type(message)):
        body[said] = clean_text(
            redact_url(body[said][: 2 * MAX_SAID]), MAX_SAID
        )  # cut first: only what stays is searched
    return cast(bytes, msgpack.packb(body, default=_array_map, unicode_errors="replace"))


def unpack(data: bytes, kind: type[T]) -> T:
    """Decodes a message of type `kind`.

    Raises:
        MalformedError: not msgpack, another version or kind, a field missing or of another type.
    """
    body = _envelope(data)
    if body["t"] != NAMES[kind]:
        raise MalformedError(f"expected a {NAMES[kind]!r} message, got {body['t']!r}")
    return cast(T, _reader(cast(Any, kind))(body, NAMES[kind]))


def unpack_event(data: bytes) -> Event:
    """Decodes an event of any type.

    Raises:
        MalformedError: as `unpack`, or not an event.
    """
    body = _envelope(data)
    kind = EVENTS.get(cast(str, body["t"]))
    if kind is None:
        raise MalformedError(f"expected an event ({', '.join(EVENTS)}), got {body['t']!r}")
    return cast(Event, _reader(kind)(body, cast(str, body["t"])))


def event_name(event: Event) -> str:
    """Wire name of the event: `decision`, `start`, `delta`, `end`, `error` or `state`."""
    return NAMES[type(event)]


def to_plain(message: object) -> Plain:
    """The message as a map for JSON: its name under `type`, tuples and arrays as lists, bytes as hex."""
    return {"type": NAMES[type(message)], **{key: _plain(value) for key, value in _fields(message).items()}}


def pack_map(body: Mapping[str, object]) -> bytes:
    """Encodes a map without version and type, for preview frames, pushed frames and decider state. May hold arrays."""
    return cast(bytes, msgpack.packb(dict(body), default=_array_map, unicode_errors="replace"))


def unpack_map(data: bytes) -> dict[str, Any]:
    """Decodes a map that `pack_map` wrote. Arrays stay maps; `read_array` converts them.

    Raises:
        MalformedError: not a msgpack map with text keys.
    """
    try:
        body = msgpack.unpackb(data, raw=False, strict_map_key=True, unicode_errors="replace")
    except (ValueError, msgpack.UnpackException, UnicodeDecodeError) as error:
        raise MalformedError(f"{len(data)} bytes are not msgpack: {error or type(error).__name__}") from None
    if not isinstance(body, dict) or not all(isinstance(key, str) for key in body):
        raise MalformedError(f"expected a msgpack map with text keys, got {type(body).__name__}")
    return body


def read_array(value: object, where: str = "array") -> NDArray[Any]:
    """Converts a `{"dtype", "shape", "data"}` map to an array: a read-only view of its bytes.

    Raises:
        MalformedError: not such a map, or its parts disagree; names `where`.
    """
    if not isinstance(value, dict) or not {"dtype", "shape", "data"} <= value.keys():
        raise MalformedError(f"{where}: expected an array map, got {type(value).__name__}")
    return array_of(value["data"], value["dtype"], value["shape"], where)


def read_field(value: object, kind: type[T], where: str) -> T:
    """Checks one value of a map that `pack_map` wrote against a type (a message or its part, text, number).

    Raises:
        MalformedError: it is of another type; names `where`.
    """
    return cast(T, _reader(cast(Any, kind))(value, where))


def array_of(data: object, dtype: object, shape: object, where: str = "array") -> NDArray[Any]:
    """Read-only array over `data`, after checking that bytes, dtype and shape agree.

    Raises:
        MalformedError: they do not, or the dtype is not a number or bool; names `where`.
    """
    if not isinstance(dtype, str) or not _DTYPE.fullmatch(dtype):
        raise MalformedError(f"{where}: dtype {dtype!r} is not allowed; send numbers or bool")
    try:
        kind = np.dtype(dtype)
    except TypeError:
        raise MalformedError(f"{where}: unknown dtype {dtype!r}") from None
    if not isinstance(shape, (list, tuple)) or not _is_shape(shape):
        raise MalformedError(f"{where}: invalid shape {shape!r}")
    if not isinstance(data, bytes):
        raise MalformedError(f"{where}: array data must be bytes, got {type(data).__name__}")
    wanted = kind.itemsize
    for n in shape:
        wanted *= n
    if wanted != len(data) or wanted > MAX_ARRAY_BYTES:
        raise MalformedError(f"{where}: {kind} {list(shape)} needs {wanted} bytes, got {len(data)}")
    # The array is a view of the message, without a copy.
    return np.frombuffer(data, kind).reshape(shape)


def _is_shape(shape: Sequence[object]) -> bool:
    sizes = all(type(n) is int and 0 <= n <= MAX_ARRAY_BYTES for n in shape)
    return sizes and len(shape) <= MAX_DIMENSIONS


def raw_bytes(array: NDArray[Any]) -> memoryview:
    """Memory of an array as bytes; copied only if the array is not contiguous."""
    # Viewed as uint8 first: memoryview.cast supports neither float16 nor a foreign byte order.
    return memoryview(cast(Any, np.ascontiguousarray(array).reshape(-1).view(np.uint8)))


def _envelope(data: bytes) -> dict[str, Any]:
    body = unpack_map(data)
    if body.get("v") != VERSION:
        raise MalformedError(f"schema version {body.get('v')!r} is unknown; this build reads version {VERSION}")
    if not isinstance(body.get("t"), str):
        raise MalformedError(f"message type {body.get('t')!r} is not text")
    return body


def _fields(message: object) -> Plain:
    return cast(Plain, cast(Writer, _writer(cast(Any, type(message))))(message))


@functools.cache
def _writer(kind: Any) -> Writer | None:
    """Builds the function that makes maps and lists of a value of a type; None for a value that is written as it is."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass_writer(cast(type, kind))
    if origin in (typing.Union, types.UnionType):
        return next((writer for writer in map(_writer, args) if writer), None)
    if origin is tuple:
        inner = _writer(args[0])
        return list if inner is None else functools.partial(_write_tuple, inner=inner)
    return None


def _dataclass_writer(kind: type) -> Writer:
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(cast(Any, kind))]
    inner = [(name, writer) for name in names if (writer := _writer(hints[name]))]
    # Two names at least, or the getter gives one value instead of a tuple.
    values_of = operator.attrgetter(*names, names[0])

    def write(message: object) -> Plain:
        body = dict(zip(names, values_of(message), strict=False))
        for name, writer in inner:
            if body[name] is not None:
                body[name] = writer(body[name])
        if not body.get("traceparent", True):  # without tracing a message is as it was
            del body["traceparent"]
        return body

    return write


def _write_tuple(value: tuple[object, ...], inner: Writer) -> list[object]:
    return [inner(item) for item in value]


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    return value


def _array_map(value: object) -> Plain:
    if isinstance(value, np.ndarray):
        return {"dtype": value.dtype.str, "shape": list(value.shape), "data": raw_bytes(value)}
    if isinstance(value, np.generic):
        raise TypeError(f"numpy scalar {value!r} in a message; give a Python number")
    raise TypeError(f"cannot encode {type(value).__name__}; give a field of a message type")


@functools.cache
def _reader(kind: Any) -> Reader:
    """Builds the function that checks a wire value against a type and converts it."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass_reader(cast(type, kind))
    if origin is np.ndarray or kind is np.ndarray:
        wanted = np.dtype(typing.get_args(args[1])[0])
        return functools.partial(_read_typed_array, wanted=wanted)
    if origin in (typing.Union, types.UnionType):
        inner = [arg for arg in args if arg is not type(None)]
        if len(inner) != 1 or len(args) != 2:
            raise TypeError(f"unsupported union {kind}; a field may be X or X | None")
        return functools.partial(_read_optional, inner=_reader(inner[0]))
    if origin is typing.Literal:
        return functools.partial(_read_literal, allowed=args)
    if origin is tuple:
        return functools.partial(_read_tuple, inner=_reader(args[0]))
    if origin is dict:
        return functools.partial(_read_dict, inner=_reader(args[1]))
    return functools.partial(_read_scalar, kind=kind)


def _dataclass_reader(kind: type) -> Reader:
    hints = typing.get_type_hints(kind)
    fields = [(f.name, _reader(hints[f.name]), _is_required(f)) for f in dataclasses.fields(cast(Any, kind))]

    def read(value: object, where: str) -> object:
        if not isinstance(value, dict):
            raise MalformedError(f"{where}: expected a map, got {type(value).__name__}")
        given = {}
        for name, reader, required in fields:
            if name in value:
                given[name] = reader(value[name], f"{where}.{name}")
            elif required:
                raise MalformedError(f"{where}.{name} is missing")
        return kind(**given)

    return read


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _read_typed_array(value: object, where: str, wanted: np.dtype[Any]) -> NDArray[Any]:
    array = read_array(value, where)
    if array.dtype != wanted:
        raise MalformedError(f"{where}: expected {wanted}, got {array.dtype}")
    return array


def _read_optional(value: object, where: str, inner: Reader) -> object:
    return None if value is None else inner(value, where)


def _read_literal(value: object, where: str, allowed: tuple[object, ...]) -> object:
    if value not in allowed:
        raise MalformedError(f"{where}: {value!r} is not one of {', '.join(map(repr, allowed))}")
    return value


def _read_tuple(value: object, where: str, inner: Reader) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise MalformedError(f"{where}: expected a list, got {type(value).__name__}")
    return tuple(inner(item, f"{where}[{i}]") for i, item in enumerate(value))


def _read_dict(value: object, where: str, inner: Reader) -> dict[str, object]:
    if not isinstance(value, dict):
        raise MalformedError(f"{where}: expected a map, got {type(value).__name__}")
    return {key: inner(item, f"{where}.{key}") for key, item in value.items()}


def _read_scalar(value: object, where: str, kind: type) -> object:
    # msgpack writers in other languages send 1.0 as 1; bool is an int in Python and must not pass.
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise MalformedError(f"{where}: expected {kind.__name__}, got {type(value).__name__}")
    return value
