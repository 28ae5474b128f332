"""The capacity model: lines, needs and errors, with numbers worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from benchmarks.capacity_model import (
    CapacityRun,
    CostLine,
    PredictedRate,
    StageDemand,
    compare,
    fit_line,
    fit_runs,
    is_starved,
    needs,
)

DEMAND = StageDemand(
    decode_s=0.002,
    fps=30,
    capture_s=0.01,
    encoder_s=0.1,
    decider_s=0.005,
    generator_s=0.5,
    requests_per_s=0.1,
    server_s=0.001,
    bytes_per_chunk=2.5e6,
    capture_mib=16,
    blob_mib=1,
)


def run(sources: int, scale: float = 1.0) -> CapacityRun:
    rates = {"cpu:capture": 0.1 + 0.05 * sources, "cpu:encoder": 0.02 * sources, "bytes": scale * 1000.0 * sources}
    return CapacityRun(sources, rates, {"capture": 60.0 + 4 * sources})


def test_line_goes_through_two_points() -> None:
    assert fit_line([(2, 5.0), (6, 13.0)]) == CostLine(1.0, 2.0)


def test_line_is_least_squares() -> None:
    line = fit_line([(0, 0.0), (1, 2.0), (2, 1.0)])
    assert line.base == pytest.approx(0.5)
    assert line.each == pytest.approx(0.5)


def test_one_number_gives_no_line() -> None:
    with pytest.raises(ValueError, match=r"runs of \[4\] sources: a line needs two different numbers"):
        fit_line([(4, 1.0), (4, 2.0)])


def test_prediction_of_linear_costs_is_exact() -> None:
    rates, memory = fit_runs([run(2), run(6)])
    assert all(abs(row.error) < 1e-9 for row in compare(rates, run(16)))
    assert memory["capture"].at(16) == pytest.approx(124.0)


def test_errors_are_relative_and_signed() -> None:
    rates, _ = fit_runs([run(2), run(6)])
    rows = {row.name: row for row in compare(rates, run(16, scale=2.0))}
    assert rows["bytes"].error == pytest.approx(-0.5)
    assert rows["cpu"].predicted == pytest.approx(0.1 + 0.07 * 16)
    assert PredictedRate("bytes", 1.0, 0.0).error == math.inf


def test_needs_name_the_scarcest_first() -> None:
    found = {need.unit: need for need in needs(DEMAND, 1000, share=1.0)}
    assert found["core for capture"].units == 80
    assert found["core or GPU for encoders"].units == 200
    assert found["core for deciders"].units == 10
    assert found["core or GPU for generators"].units == 50
    assert found["Redis server"].units == 2
    assert found["Gbit/s at the Redis server"].units == 40
    assert found["GiB for frames on the server"].units == 4
    assert next(iter(found)) == "core or GPU for encoders"


def test_share_leaves_room() -> None:
    assert needs(DEMAND, 7, share=0.7)[0].units == 2
    assert needs(DEMAND, 7, share=0.7)[0].sources_per_unit == pytest.approx(3.5)


def test_unused_stage_needs_nothing() -> None:
    assert "core or GPU for generators" not in {need.unit for need in needs(replace(DEMAND, requests_per_s=0), 10)}


@pytest.mark.parametrize("share", [0, -1, 1.5])
def test_share_beyond_bounds_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=rf"share = {share}: give a value above 0, at most 1"):
        needs(DEMAND, 1, share)


def test_dropped_chunks_tell_starvation() -> None:
    assert not is_starved(CapacityRun(6, {"chunks": 11.9}, {}))
    assert is_starved(CapacityRun(6, {"chunks": 2.8}, {}))
