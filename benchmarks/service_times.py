"""Processor time of the bundled coach's encoder for single chunks, recorded once and replayed by the models.

    python -m benchmarks.service_times [--chunks 60] > benchmarks/service_times.json

One thread, a batch of one. Processor time and not the clock's, so that other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

RECORDED = Path(__file__).with_suffix(".json")


@dataclass(frozen=True, slots=True)
class ServiceTimes:
    """A recording.

    Attributes:
        date: of the recording, ISO 8601.
        machine: in words.
        command: that made it.
        seconds: processor time of each chunk, in order.
    """

    date: str
    machine: str
    command: str
    seconds: tuple[float, ...]

    @property
    def mean_s(self) -> float:
        return sum(self.seconds) / len(self.seconds)

    @classmethod
    def load(cls, path: Path = RECORDED) -> ServiceTimes:
        """Reads a recording.

        Raises:
            OSError: there is none at this path.
            ValueError: it has no chunk.
        """
        found = json.loads(path.read_text(encoding="utf-8"))
        if not found["seconds"]:
            raise ValueError(f"{path} has no chunk: record it again, as its module says")
        return cls(found["date"], found["machine"], found["command"], tuple(found["seconds"]))


def record(chunks: int) -> list[float]:
    """Processor seconds of each chunk, after one that warms up."""
    import numpy as np

    from cornerman_encoder.service import make_encoder
    from cornerman_shared.bus.messages import Chunk, Times
    from cornerman_shared.settings.tree import load_settings

    encoder = make_encoder(load_settings({"encoder": {"backend": "mobile_videogpt", "threads": 1}}).encoder)
    random, out = np.random.default_rng(1), []
    for seq in range(chunks + 1):
        frames = random.integers(0, 256, (8, 224, 224, 3), np.uint8)
        chunk = Chunk("bench", "r", seq, seq / 2, tuple(np.linspace(0, 0.5, 8)), 0.0, True, False, None, False, Times())
        began_s = time.process_time()
        encoder.encode([chunk], [frames])
        out.append(round(time.process_time() - began_s, 5))
    return out[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chunks", type=int, default=60)
    given = parser.parse_args()
    load = os.getloadavg()[0]
    row = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} CPU cores, {platform.machine()}, no GPU, load {load:.0f}",
        "command": f"python -m benchmarks.service_times --chunks {given.chunks}",
        "seconds": record(given.chunks),
    }
    print(json.dumps(row))


if __name__ == "__main__":
    main()
