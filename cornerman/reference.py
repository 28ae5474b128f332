"""Prints the settings tree as a commented YAML file: `python -m cornerman.reference > cornerman.yaml`.

A test fails when the file differs.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from cornerman_shared.settings.source import Section
from cornerman_shared.settings.tree import Settings

WIDTH = 110

HEAD = """\
# Every setting of Cornerman with its default. Each may also be an environment variable, which wins over this file
# (encoder.batch is CORNERMAN_ENCODER__BATCH), or a flag, which wins over both (--set encoder.batch=2).
# Names ending in _s are seconds, in _ms milliseconds, in _bytes bytes. Made by `make reference`.
#
# Everything is commented out: to change a setting, take the "# " from its line and from its section's.
"""

EXAMPLE = """\
## What is watched from the start; more can be added on the page or with `cornerman sources add`.
# sources:
#   - source_id: squat-rack
#     url: rtsp://camera.local/stream
#     mode: coach  # coach, polling or commentary
#     watch: {sample_fps: 8}  # and speak: and say: as above, for this source only
"""


def reference() -> str:
    """Text of the whole file."""
    parts = [HEAD]
    for name, info in Settings.model_fields.items():
        if name == "sources":
            parts.append(f"{EXAMPLE}")
            continue
        section = info.default
        lines = [*_wrapped(_first_line(section), "##"), f"# {name}:"]
        for field, field_info in type(section).model_fields.items():
            lines += _setting(field, field_info, getattr(section, field))
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _setting(name: str, info: FieldInfo, default: Any) -> Iterator[str]:
    about = "; ".join(part for part in (info.description or "", _allowed(info)) if part)
    if about:
        yield from _wrapped(about, "##  ")
    yield f"#   {name}: {_value(default)}"


def _allowed(info: FieldInfo) -> str:
    """The allowed values, if the type has others."""
    if get_origin(info.annotation) is Literal:
        return "one of " + ", ".join(str(value) for value in get_args(info.annotation))
    low = high = ""
    for rule in info.metadata:
        if isinstance(rule, Ge):
            low = f"from {rule.ge:,}".replace(",", "_")
        elif isinstance(rule, Gt):
            low = f"above {rule.gt}"
        elif isinstance(rule, Le):
            high = f"to {rule.le:,}".replace(",", "_")
        elif isinstance(rule, Lt):
            high = f"below {rule.lt}"
    return " ".join(part for part in (low, high) if part)


def _value(default: Any) -> str:
    # JSON is valid YAML; an identifier needs no quotes.
    text = json.dumps(default, ensure_ascii=False)
    return default if isinstance(default, str) and default.isidentifier() else text


def _first_line(section: Section) -> str:
    return (type(section).__doc__ or "").strip().splitlines()[0]


def _wrapped(text: str, mark: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=f"{mark} ", subsequent_indent=f"{mark} ")


if __name__ == "__main__":
    print(reference(), end="")
