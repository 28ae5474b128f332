"""Writes `asyncapi.yaml`: types from `bus/messages.py`, addresses from `bus/streams.py`, prose from `streams.md`.

    python docs/generate_asyncapi.py            # writes the file
    python docs/generate_asyncapi.py --check    # exit 1 when it is not what would be written

Knows no values: what a field means stands in `streams.md` alone.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from cornerman_shared.bus import messages
from cornerman_shared.bus.codec import EVENTS, NAMES, VERSION
from cornerman_shared.bus.streams import FIELD, GROUP_DECIDER, GROUP_ENCODER, GROUP_GENERATOR, Keys

FOLDER = Path(__file__).parent
PROSE = FOLDER / "streams.md"
OUT = FOLDER / "asyncapi.yaml"

PARTS: tuple[type, ...] = (
    *(messages.Times, messages.BlobRef, messages.ChunkRef, messages.Sampling),
    *(messages.MovementSeen, messages.MistakeSeen),
)
SCALARS: dict[type, tuple[str, dict[str, Any]]] = {
    str: ("text", {"type": "string"}),
    int: ("integer", {"type": "integer"}),
    float: ("number", {"type": "number"}),
    bool: ("boolean", {"type": "boolean"}),
    bytes: ("binary", {"type": "string", "format": "binary"}),
}
ARRAY = "NumberArray"


@dataclasses.dataclass(frozen=True)
class Stream:
    """One stream: its name in `Keys`, what is in it, and who reads it as work."""

    name: str
    kinds: tuple[str, ...]
    group: str = ""


STREAMS = (
    Stream("chunks", ("chunk",), GROUP_ENCODER),
    Stream("features", ("features",), GROUP_DECIDER),
    Stream("questions", ("question",), GROUP_DECIDER),
    Stream("requests", ("request",), GROUP_GENERATOR),
    Stream("feedback", tuple(EVENTS)),
    Stream("feedback_all", tuple(EVENTS)),
    Stream("dead", ("dead",)),
)


@dataclasses.dataclass(frozen=True)
class Row:
    """What `streams.md` says of one field."""

    type: str
    unit: str
    meaning: str


def rows(text: str) -> dict[str, dict[str, Row]]:
    """Message name -> field -> row, from the tables under `### … Name` headings."""
    found: dict[str, dict[str, Row]] = {}
    for section in re.split(r"^### ", text, flags=re.M)[1:]:
        name = section.splitlines()[0].split()[-1]
        for field, kind, unit, meaning in re.findall(r"^\| `(\w+)` \|(.*?)\|(.*?)\|(.*)\|$", section, flags=re.M):
            found.setdefault(name, {})[field] = Row(kind.strip(), unit.strip(), meaning.strip())
    return found


def spoken(kind: Any) -> str:
    """A type in the words of `streams.md`: `list of number`, `BlobRef or nil`."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return str(getattr(kind, "__name__", kind))
    if origin is typing.Literal:
        return " / ".join(f"`{value}`" for value in args)
    if origin in (typing.Union, types.UnionType):
        return " or ".join("nil" if arg is type(None) else spoken(arg) for arg in args)
    if origin is tuple:
        return f"list of {spoken(args[0])}"
    if origin is dict:
        return f"map of {spoken(args[0])} to {spoken(args[1])}"
    if origin is np.ndarray:
        return f"array of {np.dtype(typing.get_args(args[1])[0]).name}"
    return SCALARS[kind][0]


def schema(kind: Any) -> dict[str, Any]:
    """The JSON schema of a type."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return {"$ref": f"#/components/schemas/{spoken(kind)}"}
    if origin is typing.Literal:
        return {"type": "string", "enum": list(args)}
    if origin in (typing.Union, types.UnionType):
        return {"oneOf": [{"type": "null"} if arg is type(None) else schema(arg) for arg in args]}
    if origin is tuple:
        return {"type": "array", "items": schema(args[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema(args[1])}
    if origin is np.ndarray:
        return {"$ref": f"#/components/schemas/{ARRAY}"}
    return dict(SCALARS[kind][1])


def described(kind: type) -> Iterator[tuple[str, Any, bool]]:
    """(field, type, required) of a message."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        yield field.name, hints[field.name], required


def message_schema(kind: type, prose: dict[str, dict[str, Row]]) -> dict[str, Any]:
    """The map that carries a message, envelope included."""
    properties: dict[str, Any] = {}
    wanted: list[str] = []
    if kind in NAMES:
        properties["v"] = {"const": VERSION, "description": "Schema version."}
        properties["t"] = {"const": NAMES[kind], "description": "Type of the message."}
        wanted += ["v", "t"]
    for name, hint, required in described(kind):
        row = prose[kind.__name__][name]
        text = f"{row.meaning[:1].upper()}{row.meaning[1:]}{f' [{row.unit}]' if row.unit else ''}."
        shape = schema(hint)
        # A `$ref` may have no brothers.
        properties[name] = {"allOf": [shape], "description": text} if "$ref" in shape else shape | {"description": text}
        wanted += [name] if required else []
    return {"type": "object", "required": wanted, "properties": properties, "additionalProperties": True}


def document(prose: dict[str, dict[str, Row]]) -> dict[str, Any]:
    """The whole AsyncAPI document."""
    keys = Keys(0)
    tag = keys.chunks.partition(":")[0]
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for stream in STREAMS:
        key = keys.feedback("{source_id}") if stream.name == "feedback" else getattr(keys, stream.name)
        parameters = {"shard_tag": {"$ref": "#/components/parameters/shard_tag"}}
        if stream.name == "feedback":
            parameters["source_id"] = {"$ref": "#/components/parameters/source_id"}
        member = Keys.feedback if stream.name == "feedback" else getattr(Keys, stream.name).fget
        channels[stream.name] = {
            "address": key.replace(tag, "{shard_tag}", 1),
            "description": f"Redis Stream. {member.__doc__}",
            "parameters": parameters,
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in stream.kinds},
        }
        if stream.group:
            channels[stream.name]["description"] += " Read as work, by a consumer group."
    for action, name, text in (
        ("receive", "feedback", "Follow what is said of one source: XREAD BLOCK 5000 STREAMS <address> <last id>."),
        ("receive", "feedback_all", "Follow every source of a shard."),
        ("send", "questions", "Ask about what is on screen now: XADD <address> * m <message>."),
    ):
        operations[name] = {
            "action": action,
            "summary": text,
            "channel": {"$ref": f"#/channels/{name}"},
        }
    kinds = {kind.__name__: kind for kind in (*NAMES, *PARTS)}
    schemas = {name: message_schema(kind, prose) for name, kind in kinds.items()}
    schemas[ARRAY] = {
        "type": "object",
        "description": "Numbers in C order; `dtype` is NumPy's name of their type, e.g. `<f4`.",
        "required": ["dtype", "shape", "data"],
        "properties": {
            "dtype": {"type": "string"},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
            "data": {"type": "string", "format": "binary"},
        },
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Cornerman",
            "version": f"{VERSION}.0.0",
            "description": (
                f"What travels on the bus. Each entry of a Redis Stream has one field, `{FIELD.decode()}`, whose value "
                "is a msgpack map. Operations are those of a program that listens and asks. See streams.md for how to "
                "subscribe and for what is promised."
            ),
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/msgpack",
        "servers": {
            "redis": {"host": "localhost:6379", "protocol": "redis", "description": "Redis 7.0 or later, or Valkey."}
        },
        "channels": channels,
        "operations": operations,
        "components": {
            "parameters": {
                "shard_tag": {
                    "description": (
                        "The shard's hash tag, braces included: `{cm<shard>}`, where shard = crc32(UTF-8 source id) "
                        "modulo the number in the key `cm:shards`."
                    ),
                    "examples": [tag],
                    "default": tag,
                },
                "source_id": {"description": "The source.", "examples": ["cam1"]},
            },
            "messages": {
                name: {
                    "name": name,
                    "title": kind.__name__,
                    "summary": " ".join((kind.__doc__ or "").split()),
                    "payload": {"$ref": f"#/components/schemas/{kind.__name__}"},
                }
                for kind, name in NAMES.items()
            },
            "schemas": schemas,
        },
    }


def generate() -> str:
    """The file's text."""
    body = yaml.safe_dump(
        document(rows(PROSE.read_text(encoding="utf-8"))), sort_keys=False, allow_unicode=True, width=120
    )
    return f"# Made by generate_asyncapi.py from the code and streams.md; do not edit.\n{body}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Write asyncapi.yaml.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the file is out of date")
    if parser.parse_args().check:
        return 0 if OUT.read_text(encoding="utf-8") == generate() else 1
    OUT.write_text(generate(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
