"""Every valid message survives encoding, and everything else is refused with a `MalformedError`."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any, cast

import msgpack
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cornerman_shared.bus.codec import (
    MAX_SAID,
    NAMES,
    SAID,
    array_of,
    pack,
    pack_map,
    raw_bytes,
    read_array,
    to_plain,
    unpack,
    unpack_event,
    unpack_map,
)
from cornerman_shared.bus.messages import Features, Question
from cornerman_shared.errors import MalformedError
from cornerman_shared.redact import redact_url
from cornerman_shared.text import clean_text

FLOATS = st.floats(allow_nan=False)
INTS = st.integers(-(2**63), 2**64 - 1)
SHAPES = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
DTYPES = st.sampled_from(["|u1", "|b1", "<i2", ">i4", "<i8", "<f2", "<f4", ">f8"])
ARRAYS = DTYPES.flatmap(lambda dtype: arrays.arrays(np.dtype(dtype), SHAPES))


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Strategy for every type of a message field."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return st.builds(cast(type, kind), **{f.name: values(hints[f.name]) for f in dataclasses.fields(kind)})
    if origin is typing.Literal:
        return st.sampled_from(args)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([st.none() if arg is type(None) else values(arg) for arg in args])
    if origin is tuple:
        return st.lists(values(args[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(st.text(max_size=5), values(args[1]), max_size=3)
    if origin is np.ndarray:
        return arrays.arrays(np.dtype(typing.get_args(args[1])[0]), SHAPES)
    scalars: dict[Any, st.SearchStrategy[Any]] = {
        int: INTS,
        float: FLOATS,
        str: st.text(max_size=20),
        bool: st.booleans(),
        bytes: st.binary(max_size=20),
    }
    return scalars[kind]


@pytest.mark.parametrize("kind", NAMES, ids=lambda kind: kind.__name__)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_messages_survive_encoding(kind: type, data: st.DataObject) -> None:
    message = data.draw(values(kind))
    back: Any = unpack(pack(message), kind)
    if kind is not Features:
        assert back == as_written(message)
    assert np.array_equal(to_bytes(back), to_bytes(message))
    assert to_plain(back)["type"] == NAMES[kind]


def as_written(message: Any) -> Any:
    """The message with the words of other programs cleaned, as `pack` writes it."""
    said = SAID.get(type(message))
    if said is None:
        return message
    cleaned = clean_text(redact_url(getattr(message, said)), MAX_SAID)
    return dataclasses.replace(message, **{said: cleaned})


def to_bytes(message: Any) -> bytes:
    """NaN in an array is equal to itself only as bytes."""
    return pack(message)


@settings(max_examples=200, deadline=None)
@given(array=ARRAYS)
def test_arrays_survive_encoding(array: np.ndarray[Any, Any]) -> None:
    back = read_array(unpack_map(pack_map({"a": array}))["a"])
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert back.tobytes() == array.tobytes()


def test_noncontiguous_arrays_keep_their_order() -> None:
    whole = np.arange(24, dtype=np.float32).reshape(4, 6)
    for view in (whole.T, whole[::2, ::3], whole[::-1], np.asfortranarray(whole), np.broadcast_to(whole[0], (3, 6))):
        back = read_array(unpack_map(pack_map({"a": view}))["a"])
        assert np.array_equal(back, view)


def test_contiguous_array_is_packed_without_copy() -> None:
    whole = np.zeros((8, 224, 224, 3), np.uint8)
    view = raw_bytes(whole)
    assert isinstance(view, memoryview)
    assert np.shares_memory(np.frombuffer(view, np.uint8), whole)


def test_decoded_arrays_are_read_only() -> None:
    back = read_array(unpack_map(pack_map({"a": np.ones(3)}))["a"])
    with pytest.raises(ValueError, match="read-only"):
        back[0] = 2.0


@pytest.mark.parametrize(
    ("data", "dtype", "shape", "message"),
    [
        (b"abcd", "|O8", [1], "is not allowed"),
        (b"abcd", "i4,i4", [1], "is not allowed"),
        (b"abcd", "(2,)i2", [1], "is not allowed"),
        (b"abcd", "<c8", [1], "is not allowed"),
        (b"abcd", "<M8[s]", [1], "is not allowed"),
        (b"abcd", None, [1], "is not allowed"),
        (b"abcd", ["<f4"], [1], "is not allowed"),
        (b"abcd", "<f5", [1], "unknown dtype"),
        (b"abcd", "<f4", [2], r"needs 8 bytes, got 4"),
        (b"", "<f4", [], r"needs 4 bytes, got 0"),
        (b"abcd", "<f4", [-1], "invalid shape"),
        (b"abcd", "<f4", [1.0], "invalid shape"),
        (b"abcd", "<f4", [True], "invalid shape"),
        (b"abcd", "<f4", 1, "invalid shape"),
        (b"", "<f4", [0, 2**70], "invalid shape"),
        (b"abcd", "<f4", [1] * 70, "invalid shape"),
        ("abcd", "<f4", [1], "must be bytes, got str"),
    ],
)
def test_inconsistent_array_is_refused(data: object, dtype: object, shape: object, message: str) -> None:
    with pytest.raises(MalformedError, match=message):
        array_of(data, dtype, shape)


def test_array_of_wrong_dtype_is_refused() -> None:
    body = msgpack.unpackb(pack(Question("q", "cam", "?", 0.0)))
    body |= {"t": "features", "vector": {"dtype": "<f8", "shape": [1], "data": b"\x00" * 8}}
    rest = {"source_id": "cam", "run": "r", "seq": 0, "pts_s": 0.0, "motion": 0.0, "lossless": False, "status": "ok"}
    with pytest.raises(MalformedError, match=r"features.vector: expected float32, got float64"):
        unpack(msgpack.packb({**body, **rest}), Features)


@pytest.mark.parametrize(
    ("value", "message"),
    [(np.float32(1), "numpy scalar"), (object(), "cannot encode object"), ({1, 2}, "cannot encode set")],
)
def test_unsupported_value_is_named_when_packing(value: object, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        pack(Question("q", "cam", value, 0.0))  # type: ignore[arg-type]


def test_only_messages_are_packed() -> None:
    with pytest.raises(TypeError, match="dict is not a message; the messages are chunk"):
        pack({})


@settings(max_examples=400, deadline=None)
@given(data=st.binary(max_size=200))
@example(b"")
@example(b"\xc1")
@example(b"\x81\xc4\x01a\x01")  # a map whose key is bytes
@example(b"\x81\x90\x01")  # a map whose key is a list
@example(b"\x91" * 2000)  # a list nested too deep
@example(b"\xdf\xff\xff\xff\xff")  # a map that claims four thousand million entries
@example(b"\xd6\xff\x00\x00\x00\x00")  # a timestamp
@example(msgpack.packb({"v": 1, "t": ["state"]}))
@example(msgpack.packb({"v": [1], "t": "state"}))
@example(msgpack.packb({"v": 1, "t": "\ufffd"}))
@example(msgpack.packb({"v": 1, "t": "state", "state": {"a": 1}}))
@example(b"\x81\xa1v\xa1\xff")  # text that is not UTF-8
def test_arbitrary_bytes_are_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        unpack_event(data)
    for kind in NAMES:
        with pytest.raises(MalformedError):
            unpack(data, kind)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_damaged_messages_are_malformed_or_valid(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(list(NAMES)))
    body = bytearray(pack(data.draw(values(kind))))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] = data.draw(st.integers(0, 255))
    del body[data.draw(st.integers(at, len(body))) :]
    try:
        back: Any = unpack(bytes(body), kind)
    except MalformedError as error:
        assert str(error)
    else:
        assert isinstance(back, kind)
