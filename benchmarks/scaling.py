"""Rollout simulation: rules that scale encoders, under steps of load, bursts, slow nodes and rolling updates.

    python -m benchmarks.scaling [--start 20] [--most 48] [--json]

Virtual time: measured service times (`benchmarks/service_times.json`) are replayed, nothing sleeps, and the same
arguments print the same figures. Prints a table, or with --json one JSON object a line: dropped chunks, overshoot, time
to recover and pod-seconds of each rule. The defaults of deploy/chart are chosen by it (docs/decisions, 0013).
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import yaml

from benchmarks.autoscaling import ScaleBounds
from benchmarks.scaling_cluster import SimulatedCluster
from benchmarks.scaling_scenarios import SCENARIOS, ScaleRule, ScalingOutcome, simulate
from benchmarks.service_times import ServiceTimes
from cornerman_shared.settings.tree import load_settings

VALUES = Path(__file__).parents[1] / "deploy" / "chart" / "values.yaml"
COLUMNS = (
    "rule",
    "due",
    "dropped",
    "needed",
    "peak",
    "overshoot",
    "changes",
    "recovered_s",
    "age_p95_s",
    "pod_seconds",
)


def rules(most: int, chart: dict[str, Any]) -> list[ScaleRule]:
    """What is compared: processor time, lag alone, and what the chart has, with one value changed at a time.

    Args:
        most: pods at most, for all of them.
        chart: `encoder.autoscaling` of the chart's values.
    """
    bounds = ScaleBounds(chart["min"], most, chart["scaleDownWindowS"])
    own = ScaleRule("chart", bounds, lag=chart["lag"], busy=chart["busy"])
    return [
        ScaleRule("cpu 0.75, window 120", replace(bounds, down_window_s=120.0), cpu=0.75),
        ScaleRule("lag 4", replace(bounds, down_window_s=300.0), lag=4),
        ScaleRule("lag 1", replace(bounds, down_window_s=300.0), lag=1),
        ScaleRule("busy 0.7", bounds, busy=0.7),
        own,
        *(replace(own, name=f"chart, lag {lag}", lag=lag) for lag in (2, 8) if lag != own.lag),
        *(replace(own, name=f"chart, busy {busy}", busy=busy) for busy in (0.6, 0.7, 0.8) if busy != own.busy),
        *(
            replace(own, name=f"chart, window {window}", bounds=replace(bounds, down_window_s=window))
            for window in (60, 120, 300)
            if window != bounds.down_window_s
        ),
    ]


def table(outcomes: list[ScalingOutcome]) -> str:
    """The outcomes as Markdown, one table a scenario."""
    lines = []
    for name in dict.fromkeys(outcome.scenario for outcome in outcomes):
        lines += ["", f"{name}:", "", f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
        for outcome in outcomes:
            if outcome.scenario == name:
                row = asdict(outcome)
                lines.append(f"| {' | '.join(str(row[column]) for column in COLUMNS)} |")
    return "\n".join(lines[1:])


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--start", type=float, default=20.0, help="seconds from a pod's creation to its first chunk")
    parser.add_argument("--most", type=int, default=48, help="pods at most")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(argv)
    chart = yaml.safe_load(VALUES.read_text(encoding="utf-8"))["encoder"]["autoscaling"]
    settings, recorded = load_settings(), ServiceTimes.load()

    def make(service_s: list[float], slow: tuple[float, ...]) -> SimulatedCluster:
        credit, batch = settings.watch.credit, settings.encoder.batch
        return SimulatedCluster(service_s, batch=batch, credit=credit, start_s=given.start, slow=slow)

    outcomes = [
        simulate(scenario, rule, list(recorded.seconds), make)
        for scenario in SCENARIOS
        for rule in rules(given.most, chart)
    ]
    if given.json:
        for outcome in outcomes:
            print(json.dumps(asdict(outcome)))
    else:
        print(f"{recorded.mean_s * 1000:.0f} ms a chunk ({recorded.date}, {recorded.machine})")
        print(f"pods start in {given.start} s")
        print(table(outcomes))


if __name__ == "__main__":
    main()
