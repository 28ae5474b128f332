"""`docs/asyncapi.yaml` equals the generated document and is valid AsyncAPI 3."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import msgpack
import pytest
import yaml

from cornerman_shared.bus.codec import NAMES, pack
from cornerman_shared.bus.messages import DeltaEvent, ErrorEvent, Question, Times, WorkerStatus
from tests.integration.npm import install

ROOT = Path(__file__).parents[2]
GENERATOR = ROOT / "docs" / "generate_asyncapi.py"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "docs" / "asyncapi.yaml").read_text(encoding="utf-8")))


def test_committed_file_equals_generated_file() -> None:
    done = subprocess.run([sys.executable, str(GENERATOR), "--check"], cwd=ROOT, timeout=100)
    assert done.returncode == 0, "run `python docs/generate_asyncapi.py` and commit docs/asyncapi.yaml"


def test_every_message_and_stream_is_described(document: dict[str, Any]) -> None:
    assert set(document["components"]["messages"]) == set(NAMES.values())
    assert document["channels"]["feedback"]["address"] == "{shard_tag}:feedback:{source_id}"
    assert set(document["channels"]) == {
        "chunks", "features", "questions", "requests", "feedback", "feedback_all", "dead",
    }  # fmt: skip


def test_document_is_valid_asyncapi(document: dict[str, Any]) -> None:
    folder = install({"@asyncapi/specs": "^6.8.0"})
    schema = json.loads((folder / "node_modules/@asyncapi/specs/schemas/3.0.0.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft7Validator(schema)
    assert [f"{list(error.path)}: {error.message}"[:300] for error in validator.iter_errors(document)] == []
    broken = {**document, "channels": {"x": {"address": 7}}}
    assert not validator.is_valid(broken)


@pytest.mark.parametrize(
    "message",
    [
        Question("q", "cam", "?", 1.0),
        DeltaEvent("cam", "r1", "cam:r1:0", 1, "Bend", Times()),
        ErrorEvent("cam", "r1", "encoder", "out of memory", 1.0),
        WorkerStatus("encoder", "w", 1, "h", "running", 1.0, 2.0, 3, 0),
    ],
    ids=lambda message: type(message).__name__,
)
def test_messages_are_valid_by_the_schema(document: dict[str, Any], message: object) -> None:
    body = msgpack.unpackb(pack(message))
    schema = {"$ref": f"#/components/schemas/{type(message).__name__}", "components": document["components"]}
    jsonschema.validate(body, schema)
    del body["v"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(body, schema)
