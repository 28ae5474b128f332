"""Scores on labelled people by halves: `python -m cornerman_training.skeleton.halves --people DIR [--net FILE]`.

Thresholds are tuned on half A; half B holds other people and other takes, so its scores are held out as far as the
thresholds go. A person, or a take, is in one half only.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

from cornerman_pose.people_eval.coach import PersonCoach
from cornerman_pose.people_eval.run import Showing, evaluate_people, sets_of
from cornerman_pose.people_eval.totals import PeopleScore
from cornerman_pose.reader import bundled_net
from cornerman_pose.skeleton_coach import SkeletonCoach
from cornerman_pose.temporal import TemporalNet
from cornerman_training.skeleton.half import half_of

KEYS = (
    *("exercise_right", "count_within_one", "ends_hit", "ends_false_per_min", "false_corrections_per_min"),
    *("mistake_named_of_wrong", "mistake_named_of_right"),
)


def by_half(shown: list[Showing], make_coach: Callable[[], PersonCoach]) -> tuple[PeopleScore, PeopleScore]:
    """Scores of both halves of a set, A first."""
    first, second = (
        evaluate_people((one for one in shown if half_of(one.clip.name, one.clip.group) == half), make_coach)
        for half in (0, 1)
    )
    return first, second


def rows(folder: Path, make_coach: Callable[[], PersonCoach]) -> Iterator[tuple[str, str, float | None, float | None]]:
    """(set, key, half A, half B); motion capture by exercise, the folder itself as "clips"."""
    for name, shown in sets_of(folder).items():
        exercises = sorted({one.clip.exercise for one in shown}) if name == "mocap" else [""]
        for exercise in exercises:
            kept = [one for one in shown if not exercise or one.clip.exercise == exercise]
            first, second = (score.to_dict() for score in by_half(kept, make_coach))
            label = f"{'clips' if name == '.' else name} {exercise}".strip()
            for key in KEYS:
                a, b = first[key], second[key]
                assert a is None or isinstance(a, float | int)
                assert b is None or isinstance(b, float | int)
                if a is not None or b is not None:
                    yield label, key, a, b


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=Path, required=True, help="folder of labelled people")
    parser.add_argument("--net", type=Path, help="weights; the bundled ones when absent")
    args = parser.parse_args()
    net = TemporalNet.load(args.net) if args.net else bundled_net()
    print("| set | score | half A | half B |\n|---|---|---|---|")
    for label, key, a, b in rows(args.people, lambda: SkeletonCoach(net)):
        cells = ["–" if value is None else f"{value:.2f}" for value in (a, b)]
        print(f"| {label} | {key} | {cells[0]} | {cells[1]} |")


if __name__ == "__main__":
    main()
