"""Capacity model: what a number of sources costs, and which resource is used up first. Pure; measures nothing.

Each measured rate is a line over the number of sources: a part that a process needs without any, and a part for each
source. Lines come from runs of few sources on the machine that is asked about, so its speed is in them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CHUNKS_PER_S = 2.0
"""Of one live source: 8 sampled frames each half second."""


@dataclass(frozen=True, slots=True)
class CapacityRun:
    """Figures of one run.

    Attributes:
        sources: that played.
        rates: a second: processor seconds by role (`cpu:encoder`), bytes and commands of the server (`bytes`,
            `commands`), chunks (`chunks`).
        memory_mib: resident memory by role, at the end.
    """

    sources: int
    rates: Mapping[str, float]
    memory_mib: Mapping[str, float]


def is_starved(run: CapacityRun) -> bool:
    """Whether a tenth of the run's chunks or more were not decided, so that its costs are not those of its sources."""
    return run.rates["chunks"] <= 0.9 * CHUNKS_PER_S * run.sources


@dataclass(frozen=True, slots=True)
class CostLine:
    """`base + each * sources`."""

    base: float
    each: float

    def at(self, sources: float) -> float:
        return self.base + self.each * sources


def fit_line(points: Sequence[tuple[float, float]]) -> CostLine:
    """Least squares through (sources, value).

    Raises:
        ValueError: fewer than two different numbers of sources.
    """
    xs = [x for x, _ in points]
    if len(set(xs)) < 2:
        raise ValueError(f"runs of {sorted(set(xs))} sources: a line needs two different numbers of sources")
    mean_x, mean_y = sum(xs) / len(xs), sum(y for _, y in points) / len(points)
    each = sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x in xs)
    return CostLine(mean_y - each * mean_x, each)


def fit_runs(runs: Sequence[CapacityRun]) -> tuple[dict[str, CostLine], dict[str, CostLine]]:
    """Lines of the rates and of the memory, by name."""
    rates = {name: fit_line([(run.sources, run.rates[name]) for run in runs]) for name in runs[0].rates}
    memory = {name: fit_line([(run.sources, run.memory_mib[name]) for run in runs]) for name in runs[0].memory_mib}
    return rates, memory


@dataclass(frozen=True, slots=True)
class StageDemand:
    """What one live source asks of each resource.

    Attributes:
        decode_s: processor time of decoding one frame of the camera.
        fps: frames a second of the camera.
        capture_s: processor time of capture for each chunk, without decoding.
        encoder_s: of the encoder for each chunk; on a GPU the time that the GPU is taken.
        decider_s: of the decider for each chunk.
        generator_s: of the generator for each request.
        requests_per_s: sayings and polls of one source.
        server_s: of the Redis server for each chunk, all its hops.
        bytes_per_chunk: in and out of the server, frames included.
        capture_mib: memory of capture for each source.
        blob_mib: memory of one chunk's frames on the server.
        credit: chunks of a source on the bus at most.
    """

    decode_s: float
    fps: float
    capture_s: float
    encoder_s: float
    decider_s: float
    generator_s: float
    requests_per_s: float
    server_s: float
    bytes_per_chunk: float
    capture_mib: float
    blob_mib: float
    credit: int = 4


@dataclass(frozen=True, slots=True)
class ResourceNeed:
    """One resource: how many sources a unit takes, and how many units are needed.

    Attributes:
        unit: what is counted.
        sources_per_unit: when the unit is used to the given share.
        units: for all sources, rounded up.
    """

    unit: str
    sources_per_unit: float
    units: int


def needs(demand: StageDemand, sources: int, share: float = 0.7) -> list[ResourceNeed]:
    """What so many sources need, the scarcest unit first.

    Args:
        demand: of one source.
        sources: that play at once.
        share: of each unit that is used; the rest is for bursts and lost nodes.

    Raises:
        ValueError: share is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share = {share}: give a value above 0, at most 1")
    use = {
        "core for capture": demand.decode_s * demand.fps + demand.capture_s * CHUNKS_PER_S,
        "core or GPU for encoders": demand.encoder_s * CHUNKS_PER_S,
        "core for deciders": demand.decider_s * CHUNKS_PER_S,
        "core or GPU for generators": demand.generator_s * demand.requests_per_s,
        "Redis server": demand.server_s * CHUNKS_PER_S,
        "Gbit/s at the Redis server": demand.bytes_per_chunk * CHUNKS_PER_S * 8 / 1e9,
        "GiB for capture": demand.capture_mib / 1024,
        "GiB for frames on the server": demand.blob_mib * demand.credit / 1024,
    }
    found = [
        ResourceNeed(unit, share / each, math.ceil(sources * each / share - 1e-9)) for unit, each in use.items() if each
    ]
    return sorted(found, key=lambda need: need.sources_per_unit)


@dataclass(frozen=True, slots=True)
class PredictedRate:
    """A rate of a run beside its prediction; `error` is predicted divided by measured, less one."""

    name: str
    predicted: float
    measured: float

    @property
    def error(self) -> float:
        return self.predicted / self.measured - 1 if self.measured else math.inf


def compare(lines: Mapping[str, CostLine], run: CapacityRun) -> list[PredictedRate]:
    """Every rate of a run beside what the lines say, and the sum of all processor time."""
    rows = [PredictedRate(name, line.at(run.sources), run.rates[name]) for name, line in lines.items()]
    cpu = [row for row in rows if row.name.startswith("cpu:")]
    return [*rows, PredictedRate("cpu", sum(row.predicted for row in cpu), sum(row.measured for row in cpu))]
