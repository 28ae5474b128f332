"""Stored settings of a source are read by older and newer versions that run beside this one."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from cornerman_capture.source_runner import identity
from cornerman_shared.bus.registry import read_settings, stored_settings
from cornerman_shared.settings.source import SourceSpec

FIRST = (Path(__file__).parent / "data" / "source_settings.txt").read_text().split()
"""What the first version knows, which refuses any other name."""

CAM = SourceSpec(source_id="cam", url="test://bars")


def names(body: dict[str, object], prefix: str = "") -> list[str]:
    found: list[str] = []
    for name, value in body.items():
        found += names(value, f"{prefix}{name}.") if isinstance(value, dict) else [prefix + name]
    return found


def test_first_version_reads_defaults() -> None:
    """A new setting of a source must be named in `LATER_FIELDS`."""
    assert sorted(names(stored_settings(CAM))) == sorted(FIRST)


@pytest.mark.parametrize(
    "changes", [{"watch": {"follow": True}}, {"speak": {"max_age_s": 7.5}}, {"speak": {"gap_s": 9.0}}]
)
def test_changed_settings_survive(changes: dict[str, object]) -> None:
    spec = SourceSpec.model_validate({**CAM.model_dump(), **changes})
    assert read_settings(stored_settings(spec)) == spec


def test_settings_of_newer_version_are_ignored() -> None:
    body = stored_settings(CAM)
    body |= {"colour": "red", "watch": {**body["watch"], "zoom": 2.0}}
    assert read_settings(body) == CAM


def test_run_is_the_same_across_versions() -> None:
    """The identity of a run as the first version computes it: a rollout begins no new one."""
    assert identity(CAM, 224) == "e25aa253056e160c"


def test_every_section_is_a_model() -> None:
    sections = {name for name, field in SourceSpec.model_fields.items() if isinstance(field.default, BaseModel)}
    assert sections == {"watch", "speak", "say"}
