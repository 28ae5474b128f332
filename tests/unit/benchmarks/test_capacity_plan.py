"""Plans from recorded costs."""

from __future__ import annotations

import json

import pytest

from benchmarks.capacity_model import needs
from benchmarks.capacity_plan import RECORDED, CameraKind, demand_of, main

COSTS = json.loads(RECORDED.read_text(encoding="utf-8"))


def test_recorded_costs_have_origins() -> None:
    measured = {name for name in COSTS if name != "origins"}
    assert set(COSTS["origins"]) == measured
    assert all({"date", "machine", "command"} == set(origin) for origin in COSTS["origins"].values())


def test_gpu_time_replaces_the_encoder() -> None:
    assert demand_of(COSTS, CameraKind(), gpu_ms=12.0).encoder_s == 0.012
    assert demand_of(COSTS, CameraKind()).encoder_s == COSTS["encoder_ms"] / 1000


def test_jpeg_trades_bytes_for_time() -> None:
    raw, jpeg = demand_of(COSTS, CameraKind()), demand_of(COSTS, CameraKind(frames="jpeg"))
    assert jpeg.bytes_per_chunk < raw.bytes_per_chunk / 8
    assert jpeg.capture_s > raw.capture_s and jpeg.encoder_s > raw.encoder_s


def test_more_sources_need_no_less(capsys: pytest.CaptureFixture[str]) -> None:
    units = []
    for sources in ("100", "1000"):
        assert main(["--sources", sources, "--json"]) == 0
        units.append({need["unit"]: need["units"] for need in json.loads(capsys.readouterr().out)})
    assert units[0].keys() == units[1].keys()
    assert all(units[0][name] <= units[1][name] for name in units[0])


def test_page_shows_the_plan() -> None:
    page = (RECORDED.parents[1] / "docs" / "capacity.md").read_text(encoding="utf-8")
    raw, jpeg = (needs(demand_of(COSTS, CameraKind(frames=frames)), 1000) for frames in ("raw", "jpeg"))
    units = {need.unit: need.units for need in jpeg}
    for need in raw:
        assert f" {need.units}, {units[need.unit]} |" in page, need.unit


def test_unmeasured_camera_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--codec", "av1"]) == 64
    assert "decoding of 'av1 1280x720' was not measured; there are libx264 640x360" in capsys.readouterr().err
    assert main(["--frames", "png"]) == 64
    assert "frames = 'png': give one of raw, jpeg" in capsys.readouterr().err
