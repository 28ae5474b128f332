"""What so many cameras need, from recorded costs: `python -m benchmarks.capacity_plan --sources 1000`.

    python -m benchmarks.capacity_plan --sources 1000 [--codec libx264 --size 1280x720 --fps 25] [--frames jpeg]
        [--gpu-ms 12] [--share 0.7] [--json]

Costs are in `benchmarks/capacity_costs.json`, each with the command that measured it. `--gpu-ms` is the time that your
GPU takes for a chunk, from `cornerman_encode_seconds` divided by `cornerman_encode_batch_chunks`.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.capacity_model import ResourceNeed, StageDemand, needs

RECORDED = Path(__file__).with_name("capacity_costs.json")


@dataclass(frozen=True, slots=True)
class CameraKind:
    """A camera, and how its frames travel.

    Attributes:
        codec: as FFmpeg names its encoder.
        size: of its pictures, WIDTHxHEIGHT.
        fps: frames a second.
        frames: `raw` or `jpeg`, as `bus.frames`.
    """

    codec: str = "libx264"
    size: str = "1280x720"
    fps: float = 25.0
    frames: str = "raw"


def demand_of(costs: dict[str, Any], camera: CameraKind, gpu_ms: float = 0.0) -> StageDemand:
    """What one source asks, by recorded costs.

    Args:
        costs: as in `RECORDED`.
        camera: of the source.
        gpu_ms: time of a GPU for a chunk instead of the recorded processor time; 0 = none.

    Raises:
        ValueError: the codec, the size or the kind of frames was not measured.
    """
    key = f"{camera.codec} {camera.size}"
    if key not in costs["decode_ms"]:
        raise ValueError(f"decoding of {key!r} was not measured; there are {', '.join(costs['decode_ms'])}")
    if camera.frames not in costs["frames"]:
        raise ValueError(f"frames = {camera.frames!r}: give one of {', '.join(costs['frames'])}")
    travel = costs["frames"][camera.frames]
    return StageDemand(
        decode_s=costs["decode_ms"][key] / 1000,
        fps=camera.fps,
        capture_s=(costs["capture_ms"] + travel["encode_ms"]) / 1000,
        encoder_s=gpu_ms / 1000 or (costs["encoder_ms"] + travel["decode_ms"]) / 1000,
        decider_s=costs["decider_ms"] / 1000,
        generator_s=costs["generator_ms"] / 1000,
        requests_per_s=costs["requests_per_s"],
        server_s=costs["server_ms"] / 1000,
        bytes_per_chunk=2 * travel["bytes"] + costs["other_bytes"],
        capture_mib=costs["capture_mib"],
        blob_mib=travel["bytes"] / 2**20,
    )


def table(found: list[ResourceNeed]) -> str:
    """The needs as Markdown."""
    lines = ["| unit | live sources a unit | units |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {need.unit} | {need.sources_per_unit:,.1f} | {need.units:,} |" for need in found)])


def main(argv: list[str] | None = None) -> int:
    costs = json.loads(RECORDED.read_text(encoding="utf-8"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sources", type=int, default=1000)
    usual = CameraKind()
    parser.add_argument("--codec", default=usual.codec)
    parser.add_argument("--size", default=usual.size)
    parser.add_argument("--fps", type=float, default=usual.fps)
    parser.add_argument("--frames", default=usual.frames)
    parser.add_argument("--gpu-ms", type=float, default=0.0)
    parser.add_argument("--share", type=float, default=0.7, help="part of each unit that is used")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(argv)
    camera = CameraKind(given.codec, given.size, given.fps, given.frames)
    try:
        found = needs(demand_of(costs, camera, given.gpu_ms), given.sources, given.share)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 64
    print(json.dumps([asdict(need) for need in found]) if given.json else table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
