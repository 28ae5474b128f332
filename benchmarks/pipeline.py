"""The engine beside the pipeline of processes: chunks a second on the same file, with the same models.

    python -m benchmarks.pipeline [--source FILE] [--rounds 2]

Both watch the file losslessly and as fast as they can; loading is not counted. Engine and pipeline take turns, so that
other work on the machine hits both. Prints one JSON object; `ratio` is the engine's rate over the pipeline's (goal: at
least 0.9).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cornerman import Coach
from cornerman.local import options
from cornerman.local.demo_clip import demo_clip
from cornerman.local.pipeline import run_sources
from cornerman.local.run_output import DiscardOutput
from cornerman.local.source_specs import source_specs
from cornerman_shared.bus.messages import DecisionEvent, Event
from cornerman_shared.process import logs

FAST: dict[str, Any] = {
    "watch": {"lossless": True, "realtime": False},
    "encoder": {"batch": 1},
    "bus": {"sources_poll_s": 0.05},
}


class RateRecorder:
    """Measures chunks a second between the first and the last decision of a run."""

    def __init__(self) -> None:
        self.decisions = 0
        self._first_s = self._last_s = 0.0

    def on_event(self, event: Event) -> None:
        if isinstance(event, DecisionEvent):
            self._last_s = event.times.decided_at_s
            self._first_s = self._first_s or self._last_s
            self.decisions += 1

    @property
    def rate(self) -> float:
        """Chunks a second, without the first one, which waits for capture to start."""
        return (self.decisions - 1) / max(1e-6, self._last_s - self._first_s)


def by_pipeline(source: str) -> RateRecorder:
    """One run through processes of its own."""
    recorder = RateRecorder()
    with tempfile.TemporaryDirectory(prefix="cornerman-") as name:
        own = {"runtime": {"dir": str(Path(name) / "run")}, "redis": {"url": ""}, "sources": []}
        chosen = options.command_settings("", "", (), options.quiet(False), FAST, own)
        chosen, _ = options.with_models(chosen, lambda text: print(text, file=sys.stderr), people=False)
        specs = source_specs([source], chosen.settings)
        run_sources(chosen, specs, DiscardOutput(), on_event=recorder.on_event)
    return recorder


def by_engine(coach: Coach, source: str) -> RateRecorder:
    """One run in this process."""
    recorder = RateRecorder()
    coach.reset()
    for _ in coach.stream(source):
        pass
    for event in coach.decisions:
        recorder.on_event(event)
    return recorder


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", default=demo_clip()[0])
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args(argv)
    logs.configure("warning", role="benchmark")
    engine: list[float] = []
    pipeline: list[float] = []
    began_s = time.monotonic()
    with Coach(settings={"encoder": {"batch": 1}}) as coach:
        by_engine(coach, given.source)  # warms up
        for _ in range(given.rounds):
            engine.append(by_engine(coach, given.source).rate)
            measured = by_pipeline(given.source)
            pipeline.append(measured.rate)
    report = {
        "benchmark": "pipeline",
        "chunks": measured.decisions,
        "engine_chunks_per_s": round(statistics.median(engine), 2),
        "pipeline_chunks_per_s": round(statistics.median(pipeline), 2),
        "ratio": round(statistics.median(engine) / statistics.median(pipeline), 3),
        "wall_s": round(time.monotonic() - began_s, 1),
    }
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
