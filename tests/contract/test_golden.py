"""Golden bytes of every message: old bytes must stay readable, and new bytes must equal the newest file.

`data/<name>.hex` never changes. When a message gets a new field, `python tests/contract/test_golden.py` adds
`<name>.2.hex`; the older file must still decode.
"""

from __future__ import annotations

import dataclasses
import typing
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest

from cornerman_shared.bus.codec import EVENTS, NAMES, VERSION, event_name, pack, to_plain, unpack, unpack_event
from cornerman_shared.bus.messages import (
    BlobRef,
    Chunk,
    ChunkRef,
    DeadLetter,
    DecisionEvent,
    DeltaEvent,
    EndEvent,
    ErrorEvent,
    Event,
    Features,
    MistakeSeen,
    MovementSeen,
    Question,
    Request,
    Sampling,
    StartEvent,
    StateEvent,
    Times,
    WorkerStatus,
)
from cornerman_shared.errors import MalformedError

DATA = Path(__file__).parent / "data"

TIMES = Times(1000.25, 1000.5, 1000.75, 1001.0, 1001.25, 1001.5, 1000.5625, 1000.625, 1001.125, 1001.375)
PTS_S = (0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875)
FRAMES = BlobRef("{cm0}:blob:cam1:r1:7:frames", "|u1", (8, 224, 398, 3))
CONTEXT = BlobRef("{cm0}:blob:cam1:r1:7:context", "<f2", (8, 144, 896))
VIDEO = BlobRef("{cm0}:blob:cam1:r1:7:video", "<f2", (98, 896))
GLANCE = bytes(range(12))
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PROMPT = "Was fällt auf? 👀"

ABOUT = MovementSeen(
    "squat", 0.875, 8, 0.25, True, (MistakeSeen("too_shallow", "knee", 0.75, ("hips", "knees", "ankles")),), 0.75,
    "partly", ("feet",), ("too_dark",), "side", 2, "the person on the left", ("the feet are below the picture",),
    1, "lean", (0.5, 0.625), (31.5, 48.25), 47.0, "above",
)  # fmt: skip

SAMPLES: dict[str, Any] = {
    "chunk": Chunk(
        "cam1", "r1", 7, 0.875, PTS_S, 0.5, False, False, FRAMES, True, TIMES, 12, "stride", GLANCE, TRACE
    ),
    "features": Features(
        "cam1", "r1", 7, 0.875, 0.5, True, "ok", np.array([0.5, -1.0, 3.25], np.float32),
        CONTEXT, VIDEO, None, PTS_S, "tiny", TIMES, np.array([224.0, 398.0, 0.0, 120.0, 80.5, 0.25], np.float32),
        12, "stride", GLANCE, TRACE,
    ),
    "request": Request(
        "cam1:r1:7", "cam1", "r1", 7, "feedback", "correct", 0.875, PROMPT, "You are a coach.", "Good.",
        (
            ChunkRef(6, 0.375, PTS_S, None, VIDEO, None, 999.75),
            ChunkRef(7, 0.875, PTS_S, CONTEXT, VIDEO, FRAMES, 1000.25),
        ),
        Sampling(64, 0.5, 0.875, 1.25), "coach", 1005.0, True, TIMES, 0.75, "A mistake is seen.", ABOUT, 12, TRACE,
    ),
    "question": Question("q-1", "cam1", PROMPT, 1000.25, TRACE),
    "decision": DecisionEvent(
        "cam1", "r1", 7, 0.875, "correct", 0.75, "motion 0.8", "rules", 0.5, "ok", TIMES, ABOUT, 12, 3, TRACE
    ),
    "start": StartEvent(
        "cam1", "r1", "cam1:r1:7", 1, "feedback", "correct", 0.875, PROMPT, "tiny", TIMES, 0.75, 12, TRACE
    ),
    "delta": DeltaEvent("cam1", "r1", "cam1:r1:7", 1, "Bend ", TIMES, 12),
    "end": EndEvent(
        "cam1", "r1", "cam1:r1:7", 1, "feedback", "correct", "done", 0.875, PROMPT, "Bend your knees.", False, "",
        "tiny", 1250, 5, 250.5, TIMES, 0.75, 12, 0.0125, True, 16.0, PTS_S, 30.5, TRACE,
    ),
    "error": ErrorEvent("cam1", "r1", "generator", "out of memory", 1001.5, "cam1:r1:7", 12),
    "state": StateEvent("cam1", "r1", "playing", "30 FPS", 1000.0, 12),
    "dead": DeadLetter("{cm0}:chunks", "encoder", "1-0", "w1", 6, "not msgpack", 1002.0, b"\x00\xff"),
    "worker": WorkerStatus(
        "encoder", "w1", 42, "host", "running", 990.0, 1000.0, 1 << 28, 2, {"fps": 29.97}, "hangs", {"backend": "vlm"}
    ),
}  # fmt: skip


def plain(message: object) -> dict[str, Any]:
    """Comparable form: dataclasses that hold arrays have no useful `==`."""
    return to_plain(message)


@pytest.mark.parametrize("name", NAMES.values())
def test_old_golden_files_decode_to_samples(name: str) -> None:
    files = sorted(DATA.glob(f"{name}*.hex"))
    assert files, f"no golden bytes for {name}; run python {Path(__file__).name}"
    kind = type(SAMPLES[name])
    for file in files:
        body = bytes.fromhex(file.read_text())
        known = msgpack.unpackb(body)
        assert shared(plain(unpack(body, kind)), known) == shared(plain(SAMPLES[name]), known), file.name


@pytest.mark.parametrize("name", NAMES.values())
def test_newest_golden_file_equals_encoding(name: str) -> None:
    assert pack(SAMPLES[name]).hex() == newest(name)


@pytest.mark.parametrize("name", NAMES.values())
def test_sample_fields_differ_from_defaults(name: str) -> None:
    """No golden byte would cover a field that has its default."""
    missing = [f.name for f in dataclasses.fields(SAMPLES[name]) if is_empty(getattr(SAMPLES[name], f.name))]
    assert missing == {"features": ["frames"], "end": ["cause"]}.get(name, [])


@pytest.mark.parametrize("name", NAMES.values())
def test_unknown_fields_are_ignored(name: str) -> None:
    grown = deepen(msgpack.unpackb(bytes.fromhex(newest(name))))
    assert plain(unpack(msgpack.packb(grown), type(SAMPLES[name]))) == plain(SAMPLES[name])


@pytest.mark.parametrize("name", NAMES.values())
@pytest.mark.parametrize("version", [0, 2, 99, None, "1", 1.5])
def test_another_version_is_refused_by_name(name: str, version: object) -> None:
    body = msgpack.unpackb(bytes.fromhex(newest(name)))
    body["v"] = version
    with pytest.raises(MalformedError, match=f"version {version!r} is unknown; this build reads version {VERSION}"):
        unpack(msgpack.packb(body), type(SAMPLES[name]))


@pytest.mark.parametrize("name", NAMES.values())
def test_missing_required_field_is_named(name: str) -> None:
    kind = type(SAMPLES[name])
    for field in dataclasses.fields(kind):
        body = msgpack.unpackb(bytes.fromhex(newest(name)))
        del body[field.name]
        optional = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if optional:
            unpack(msgpack.packb(body), kind)
        else:
            with pytest.raises(MalformedError, match=f"{name}.{field.name} is missing"):
                unpack(msgpack.packb(body), kind)


@pytest.mark.parametrize("name", NAMES.values())
def test_field_of_wrong_type_is_named(name: str) -> None:
    kind = type(SAMPLES[name])
    for field in dataclasses.fields(kind):
        body = msgpack.unpackb(bytes.fromhex(newest(name)))
        body[field.name] = [{"wrong": b"\x00"}]
        with pytest.raises(MalformedError, match=f"{name}.{field.name}"):
            unpack(msgpack.packb(body), kind)


@pytest.mark.parametrize("name", NAMES.values())
def test_other_message_type_is_refused(name: str) -> None:
    other = Question if name != "question" else StateEvent
    with pytest.raises(MalformedError, match=f"expected a '{NAMES[other]}' message, got '{name}'"):
        unpack(pack(SAMPLES[name]), other)


def test_only_events_decode_as_events() -> None:
    assert set(EVENTS.values()) == set(typing.get_args(Event))
    for name, sample in SAMPLES.items():
        if name in EVENTS:
            assert unpack_event(pack(sample)) == sample
            assert event_name(sample) == name
        else:
            with pytest.raises(MalformedError, match=f"expected an event .*, got '{name}'"):
                unpack_event(pack(sample))


def shared(value: Any, known: Any) -> Any:
    """The fields that older bytes know; later ones have their defaults there."""
    if isinstance(value, dict) and isinstance(known, dict):
        return {key: shared(item, known[key]) for key, item in value.items() if key in known}
    if isinstance(value, list | tuple) and isinstance(known, list) and len(value) == len(known):
        return [shared(item, old) for item, old in zip(value, known, strict=True)]
    return value


def newest(name: str) -> str:
    return max(DATA.glob(f"{name}*.hex"), key=lambda file: (len(file.name), file.name)).read_text().strip()


def is_empty(value: object) -> bool:
    return not isinstance(value, (bool, np.ndarray, dict)) and value in {None, 0, ""}


def deepen(value: Any) -> Any:
    """Adds an unknown field to every map, except the free maps `detail` and `models` of a worker."""
    if isinstance(value, dict):
        grown = {key: item if key in ("detail", "models") else deepen(item) for key, item in value.items()}
        return {**grown, "from_the_future": [1, {"a": b"b"}]}
    if isinstance(value, list):
        return [deepen(item) for item in value]
    return value


def write_missing() -> None:
    DATA.mkdir(exist_ok=True)
    for name, sample in SAMPLES.items():
        files = list(DATA.glob(f"{name}*.hex"))
        if not files or newest(name) != pack(sample).hex():
            suffix = f".{len(files) + 1}" if files else ""
            (DATA / f"{name}{suffix}.hex").write_text(pack(sample).hex() + "\n")


if __name__ == "__main__":
    write_missing()
