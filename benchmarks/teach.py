"""Own exercises: counted and judged after one good and one bad take of five repetitions.

    python -m benchmarks.teach [--people 3] [--real FOLDER] [--out FILE]

Three extra exercises with two mistakes each (`cornerman_training.own_exercises`), made and seen by a made estimator:
taught by one person, tried on new takes of that person at the same camera, at another camera, and of another person;
other movement (standing, talking, reaching, walking) gives the false counts a minute. `--first` draws other people.
`--real`: a folder of landmark files of people (`deadlifts/one_man_*`, `mocap/*.npz`; `no_*.npz` show other movement).
Prints a table, then JSON.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cornerman_pose.features import LandmarkGrid
from cornerman_pose.files import read_landmarks
from cornerman_pose.landmarks import LandmarkTrack
from cornerman_pose.people_eval.mocap import EVERY, VIEWS, VirtualCamera, seen_by
from cornerman_pose.taught.counter import TaughtCounter, TaughtRepetition
from cornerman_pose.taught.exercise import TaughtExercise
from cornerman_pose.taught.learning import TeachingError, example_of
from cornerman_pose.taught.metric import learning_weights
from cornerman_pose.taught.segments import find_repetitions
from cornerman_pose.taught.takes import add_mistake, teach_exercise
from cornerman_training.own_exercises.forms import FORMS, MISTAKES, SECONDS
from cornerman_training.own_exercises.sessions import MadeTake, TakePlan, draw_takes

TAUGHT = 5
TRIED = 8
LIFTS_RIGHT = 8
LIFTS = {"hip_first": 6, "knee_dominant": 9, "rounded_back": 6}
"""Repetitions of one man's takes as the cutting finds them; `_1` teaches, `_2`, seen by another camera, is tried."""

OTHER_TAKES = 5

YAWS = (0.0, 0.45, 0.9)


@dataclass(slots=True)
class TeachScore:
    """Takes counted within one, and repetitions told right, abstained from, or told wrong, by kind."""

    takes: int = 0
    within_one: int = 0
    right: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    counted: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    abstained: int = 0
    false_counts: int = 0
    other_s: float = 0.0  # of other movement

    def add(self, found: list[TaughtRepetition], wanted: int, kind: str) -> None:
        """One take of `wanted` repetitions, all "good" or all "bad"."""
        self.takes += 1
        self.within_one += abs(len(found) - wanted) <= 1
        for one in found:
            named = one.verdict.mistake is not None
            self.counted[kind] += 1
            self.abstained += not one.verdict.judged
            self.right[kind] += named if kind == "bad" else not named

    def add_other(self, exercise: TaughtExercise | None, track: LandmarkTrack) -> None:
        """Movement that is not the exercise."""
        if exercise is not None:
            self.false_counts += len(count(exercise, track))
            self.other_s += float(track.t_s[-1] - track.t_s[0])

    def row(self) -> dict[str, float]:
        """Shares; `told` is the mean of mistakes named and of good repetitions not named wrong."""
        shares = {kind: self.right[kind] / max(self.counted[kind], 1) for kind in ("good", "bad")}
        every = max(sum(self.counted.values()), 1)
        return {
            "takes": self.takes,
            "within_one": round(self.within_one / max(self.takes, 1), 3),
            "good_right": round(shares["good"], 3),
            "mistake_named": round(shares["bad"], 3),
            "told": round((shares["good"] + shares["bad"]) / 2, 3),
            "abstained": round(self.abstained / every, 3),
            "false_a_minute": round(60 * self.false_counts / max(self.other_s, 1e-9), 2),
        }


def count(exercise: TaughtExercise, track: LandmarkTrack) -> list[TaughtRepetition]:
    """The repetitions that a counter finds in a track, four frames at a time."""
    counter, grid = TaughtCounter((exercise,)), LandmarkGrid()
    names = ("t_s", "image_px", "world_m", "visibility", "presence")
    times, features = grid.push(*(getattr(track, name).astype(np.float64) for name in names))
    found: list[TaughtRepetition] = []
    for at in range(0, len(times), 4):
        found += counter.push(times[at : at + 4], features[at : at + 4])
    return found


def taught(name: str, good: LandmarkTrack, bad: LandmarkTrack, repetitions: int = TAUGHT) -> TaughtExercise | None:
    """An exercise with one mistake; None where the takes are refused."""
    try:
        exercise = teach_exercise(name, name, good, repetitions)
        return add_mistake(exercise, "wrong", "wrong", "owner", bad, repetitions)
    except TeachingError:
        return None


def made(people: range, elsewhere: list[LandmarkTrack]) -> dict[str, TeachScore]:
    """The three extra exercises; a take that is refused counts as takes not within one.

    Args:
        people: seeds of those who teach.
        elsewhere: real people who do none of them.
    """
    scores: dict[str, TeachScore] = defaultdict(TeachScore)
    for name, form in FORMS.items():
        for mistake in MISTAKES[name]:
            for person in people:
                yaw, usual_s = YAWS[person % len(YAWS)], SECONDS[name]
                tries = (TakePlan("", TRIED, True), TakePlan(mistake, TRIED, True))
                shown = (TakePlan("", TAUGHT, False), TakePlan(mistake, TAUGHT, False))
                own = draw_takes(form, person * 100 + 7, 0, (*shown, *tries), yaw, usual_s)
                exercise = taught(name, own[0].track, own[1].track)
                where: dict[str, list[MadeTake]] = {
                    "same person, same camera": own[2:],
                    "same person, another camera": draw_takes(form, person * 100 + 7, 1, tries, yaw + 0.35, usual_s),
                    "another person": draw_takes(form, person * 100 + 8, 2, tries, yaw + 0.15, usual_s),
                }
                for place, takes in where.items():
                    for kind, take in zip(("good", "bad"), takes, strict=True):
                        found = count(exercise, take.track) if exercise else []
                        for key in (place, name, f"{name}: {place}", f"taught at {np.degrees(yaw):.0f} degrees"):
                            scores[key].add(found, TRIED, kind)
                idle = draw_takes(form, person * 100 + 7, 4, (TakePlan("", 0, True),) * OTHER_TAKES, yaw, usual_s)
                for take in idle:
                    scores[name].add_other(exercise, take.track)
                for track in elsewhere:
                    scores["real people who do something else"].add_other(exercise, track)
    return scores


def real(folder: Path) -> dict[str, TeachScore]:
    """Real people: one man's deadlifts as an estimator saw them, and motion capture through virtual cameras."""
    scores: dict[str, TeachScore] = defaultdict(TeachScore)
    for path in sorted((folder / "mocap").glob("*.npz")):
        for camera in VIEWS[:2]:
            _mocap(path, camera, scores)
    lifts = folder / "deadlifts"
    good = [read_landmarks(path) for path in sorted(lifts.glob("one_man_correct_*.npz"))]
    for wrong, repetitions in LIFTS.items():
        bad = [read_landmarks(path) for path in sorted(lifts.glob(f"one_man_{wrong}_*.npz"))]
        if len(good) < 2 or len(bad) < 2:
            continue
        exercise = taught("deadlift", _first(good[0]), _first(bad[0]))
        for kind, track, wanted in (("good", good[1], LIFTS_RIGHT), ("bad", bad[1], repetitions)):
            found = count(exercise, track) if exercise else []
            scores[f"deadlift, one man, {wrong}"].add(found, wanted, kind)
    return scores


def _first(track: LandmarkTrack) -> LandmarkTrack:
    """The track up to the end of its fifth repetition."""
    example = example_of(track)
    spans = find_repetitions(example.rows, learning_weights())
    last_s = float(example.times_s[spans[TAUGHT - 1][1] - 1])
    kept = track.t_s <= last_s + 0.2
    arrays = (getattr(track, name)[kept] for name in ("t_s", "image_px", "world_m", "visibility", "presence"))
    return LandmarkTrack(*arrays, track.size_px)


def _mocap(path: Path, camera: VirtualCamera, scores: dict[str, TeachScore]) -> None:
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    people = sorted({name.split("_")[1] for name in arrays if name.startswith("correct_")})

    def joined(verdict: str, person: str, numbers: range) -> LandmarkTrack:
        parts = [arrays[f"{verdict}_{person}_e{number:02d}"] for number in numbers]
        return seen_by(np.concatenate(parts).astype(np.float64)[::EVERY] / 100, camera)

    for person in people:
        exercise = taught(path.stem, joined("correct", person, range(1, 6)), joined("incorrect", person, range(1, 6)))
        for other in people:
            place = "the same person" if other == person else "another person"
            for kind, verdict in (("good", "correct"), ("bad", "incorrect")):
                found = count(exercise, joined(verdict, other, range(6, 11))) if exercise else []
                scores[f"{path.stem} capture, {place}"].add(found, TAUGHT, kind)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=3, help="people a mistake of the made ones")
    parser.add_argument("--first", type=int, default=0, help="seed of the first person")
    parser.add_argument("--real", type=Path, help="folder of landmark files of people")
    parser.add_argument("--out", type=Path, help="JSON file")
    given = parser.parse_args()
    elsewhere = [read_landmarks(path) for path in sorted(given.real.glob("no_*.npz"))] if given.real else []
    people = range(given.first, given.first + given.people)
    scores = made(people, elsewhere) if given.people else {}
    if given.real:
        scores |= real(given.real)
    rows = {name: score.row() for name, score in sorted(scores.items())}
    for name, row in rows.items():
        print(f"{name:48s} " + "  ".join(f"{key} {value:g}" for key, value in row.items()), flush=True)
    text = json.dumps(rows)
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
