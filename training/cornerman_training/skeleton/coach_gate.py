"""What a new coach on skeletons must pass: `python -m cornerman_training.skeleton.coach_gate [--people DIR]`.

The held-out gym without rendering (mean and worst of several groups of sessions), its quiet and footage sessions, and,
where a folder of labelled people is given, `cornerman evaluate --people` on it. Prints a line for each demand; the exit
status is 1 if one is not met.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from cornerman_pose.errors import PoseError
from cornerman_pose.people_eval.checks import made_checks
from cornerman_pose.people_eval.run import evaluate_people, sets_of
from cornerman_pose.reader import bundled_net
from cornerman_pose.skeleton_coach import SkeletonCoach
from cornerman_pose.temporal import TemporalNet
from cornerman_training.skeleton.demands import GYM, MADE, PEOPLE, Bound
from cornerman_training.skeleton.held_out import report


@dataclass(frozen=True, slots=True)
class Demand:
    """One score beside its bound."""

    name: str
    value: float
    bound: Bound

    @property
    def met(self) -> bool:
        """Whether the score is on the right side of the bound, which belongs to it."""
        way, limit = self.bound
        return self.value >= limit - 1e-9 if way == "least" else self.value <= limit + 1e-9

    def line(self) -> str:
        """For a terminal."""
        way, limit = self.bound
        return f"{'ok  ' if self.met else 'FAIL'} {self.name:<44} {self.value:7.3f}  at {way} {limit:g}"


def gym_demands(net: TemporalNet, sessions: int = 60, each: int = 10) -> Iterator[Demand]:
    """Of the held-out gym: `sessions` of the main group, `each` of the others."""
    rows = report(net, sessions, each)
    for (group, score), bound in GYM.items():
        yield Demand(f"gym {group} {score}", rows[group][score], bound)


def people_demands(folder: Path, make_coach: Callable[[], SkeletonCoach]) -> Iterator[Demand]:
    """Of a folder of labelled people.

    Raises:
        LandmarkFileError: nothing that can be read in it, or something damaged.
    """
    sets = {name: evaluate_people(shown, make_coach).to_dict() for name, shown in sets_of(folder).items()}
    for (name, score), bound in PEOPLE.items():
        value = sets.get(name, {}).get(score)
        if value is not None:
            yield Demand(f"people {'' if name == '.' else name + ' '}{score}", float(cast("float", value)), bound)
    for kind, values in made_checks(folder, make_coach).items():
        for score, bound in MADE.items():
            if (value := values[score]) is not None:
                yield Demand(f"made {kind} {score}", float(value), bound)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", type=Path, help="weights; the bundled ones when absent")
    parser.add_argument("--people", type=Path, help="folder of labelled people; left out when absent")
    parser.add_argument("--sessions", type=int, default=60, help="of the main group")
    parser.add_argument("--each", type=int, default=10, help="of each other group")
    args = parser.parse_args()
    net = TemporalNet.load(args.net) if args.net else bundled_net()
    demands = []
    try:
        for demand in gym_demands(net, args.sessions, args.each):
            demands.append(demand)
            print(demand.line(), flush=True)
        for demand in people_demands(args.people, lambda: SkeletonCoach(net)) if args.people else ():
            demands.append(demand)
            print(demand.line(), flush=True)
    except PoseError as error:
        sys.exit(f"--people {args.people}: {error}")
    failed = sum(not one.met for one in demands)
    print(f"{len(demands) - failed} of {len(demands)} met")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
