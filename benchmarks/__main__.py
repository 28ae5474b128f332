"""Runs benchmarks in turn, each in its own process: `python -m benchmarks [NAME …]`. Figures go to stdout as JSON."""

from __future__ import annotations

import subprocess
import sys

COMMANDS: dict[str, list[str]] = {
    "bus": ["-m", "benchmarks.bus"],
    "capture": ["-m", "benchmarks.capture"],
    "scale": ["-m", "benchmarks.scale"],
    "log_bytes": ["-m", "benchmarks.log_bytes"],
    "overload": ["-m", "benchmarks.overload"],
    "videomamba": ["-m", "benchmarks.videomamba"],
    "gateway_idle": ["-m", "benchmarks.gateway_idle"],
    "gateway_sync": ["-m", "benchmarks.gateway_sync"],
    "gateway_clients": ["-m", "benchmarks.gateway_clients"],
    "footage": ["-m", "benchmarks.footage"],
    "live": ["-m", "benchmarks.live"],
    "pipeline": ["-m", "benchmarks.pipeline"],
    "soak": ["-m", "benchmarks.soak"],
    "commentary": ["-m", "benchmarks.commentary"],
    "polls": ["-m", "benchmarks.polls"],
    "everything": ["-m", "benchmarks.everything"],
    "scaling": ["-m", "benchmarks.scaling", "--json"],
    "capacity": ["-m", "benchmarks.capacity", "--sources", "16"],
}


def main(names: list[str]) -> int:
    unknown = sorted(set(names) - COMMANDS.keys())
    if unknown:
        print(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(COMMANDS)}", file=sys.stderr)
        return 64
    failed = 0
    for name in names or COMMANDS:
        print(f"== {name}", file=sys.stderr, flush=True)
        failed += subprocess.run([sys.executable, *COMMANDS[name]], check=False).returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
