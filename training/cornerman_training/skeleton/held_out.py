"""The held-out gym without rendering: `python -m cornerman_training.skeleton.held_out [--net FILE] [--json]`.

The sessions' joints go through the sessions' own cameras and through the errors of an estimator straight to the coach
on skeletons. The whole road, through pictures and the real estimator, is what `cornerman evaluate` measures.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from cornerman_pose.channels import FPS
from cornerman_pose.coaching import DOUBTFUL, praise_after
from cornerman_pose.features import SIDE, BodyState, extract
from cornerman_pose.movements import movements
from cornerman_pose.reader import bundled_net
from cornerman_pose.repetitions import HOLD_S, CountingSettings, RepetitionCounter, RepetitionSeen
from cornerman_pose.temporal import TemporalNet
from cornerman_training.evaluate.messages import SessionResult, SpokenFeedback, TimedSession
from cornerman_training.evaluate.report import PRAISE, evaluate
from cornerman_training.gym.session import GymSession, plan_session
from cornerman_training.skeleton.estimator import Landmarks, estimate
from cornerman_training.skeleton.gym_points import landmark_points, own_shot

FIRST_SEED: Final = 12345
OTHER_SEEDS: Final = (777, 2024, 31337, 555, 90210)
"""First seeds of five other groups of sessions: the worst of them is reported."""

HELD: Final = frozenset(m.name for m in movements() if m.kind == "hold")

_CHUNK: Final = 4
_LATE_S: Final = 0.4  # a repetition is judged two frames after its end, with the chunk that holds them


def seen_landmarks(session: GymSession) -> Landmarks:
    """What an estimator makes of a session; errors are drawn from the session's seed."""
    shot = own_shot(session, landmark_points(session))
    marks = estimate(np.random.default_rng([session.seed, 4]), shot)
    marks.seen &= session.visible
    return marks


def spoken(repetitions: Iterable[RepetitionSeen], breaks_s: Sequence[float] = ()) -> tuple[SpokenFeedback, ...]:
    """What a coach says of repetitions: the likeliest mistake of each, and praise for good ones in a row.

    A row ends where no exercise is seen, at `breaks_s`, though the set may go on and count further.
    """
    out, good, before, last_s = [], 0, "", 0.0
    for rep in repetitions:
        first = HOLD_S if rep.exercise in HELD else 1
        broken = any(last_s < pause_s < rep.end_s for pause_s in breaks_s)
        last_s = rep.end_s
        if rep.exercise != before or rep.number == first or broken:
            good, before = 0, rep.exercise
        if rep.mistakes:
            good = 0
            text = f"{rep.exercise}:{rep.mistakes[0].rule.name}"
            out.append(SpokenFeedback(rep.end_s + _LATE_S, text, "correct"))
            continue
        good = 0 if rep.doubt > DOUBTFUL else good + 1
        if good == praise_after(rep.exercise):
            good = 0
            out.append(SpokenFeedback(rep.end_s + _LATE_S, f"{rep.exercise}:{PRAISE}"))
    return tuple(sorted(out, key=lambda said: said.time_s))


def repetitions_of(
    net: TemporalNet, session: GymSession, settings: CountingSettings | None = None, marks: Landmarks | None = None
) -> list[RepetitionSeen]:
    """The repetitions that the coach counts in a session, seen with drawn errors unless `marks` are given."""
    return _watched(net, session, settings, marks)[0]


def _watched(
    net: TemporalNet, session: GymSession, settings: CountingSettings | None = None, marks: Landmarks | None = None
) -> tuple[list[RepetitionSeen], list[float]]:
    """The repetitions, and the seconds at which no exercise is seen."""
    marks = marks or seen_landmarks(session)
    image, world, visibility = (a[None].copy() for a in (marks.image, marks.world, marks.visibility))
    features = extract(BodyState.empty(1), image, world, visibility, marks.seen[None])[0]
    times = np.arange(len(features)) / FPS
    state, counter = net.start(), RepetitionCounter(net.calibration, settings)
    done: list[RepetitionSeen] = []
    breaks_s: list[float] = []
    for at in range(0, len(features), _CHUNK):
        part = features[at : at + _CHUNK]
        reading = net.read(part, state)
        side, there = part[:, SIDE].astype(np.float64), part[:, -1] > 0
        seen = counter.push(times[at : at + _CHUNK], reading, side, there)
        done += seen.repetitions
        if seen.exercise == "none":
            breaks_s.append(seen.pts_s)
    last = counter.finish()
    done += last.repetitions if last else ()
    return done, breaks_s


def watch_session(net: TemporalNet, session: GymSession) -> SessionResult:
    """Truth of a session, and what the coach on skeletons says of it."""
    done, breaks_s = _watched(net, session)
    truth = tuple(SpokenFeedback(f.time_s, f.text, f.action, f.exercise, f.mistake) for f in session.feedbacks)
    timed = TimedSession(f"{session.split} {session.seed}", session.duration_s, truth, session.kind != "exercise")
    return SessionResult(timed, spoken(done, breaks_s))


def _meaning(text: str) -> tuple[str, str] | None:
    exercise, _, mistake = text.partition(":")
    return exercise, mistake


def scores(net: TemporalNet, first: int, sessions: int, kind: str | None = None) -> dict[str, float]:
    """Temporal F-score, share of right mistakes and false alarms a minute over sessions with seeds from `first`."""
    seeds = range(first, first + sessions)
    return scored([watch_session(net, plan_session(seed, "test", fps=FPS, kind=kind)) for seed in seeds])


def scored(results: Sequence[SessionResult]) -> dict[str, float]:
    """The same scores over sessions whose words are written as `exercise:mistake`."""
    values = evaluate(list(results), _meaning).to_dict()
    names = ("temporal_f_score", "precision", "recall", "mistake_accuracy", "false_alarms_per_min", "mean_delay_s")
    return {name: float(str(values[name])) for name in names}


def worst_of(groups: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of every score the worst value of some groups of sessions."""
    return {n: (max if "alarms" in n or "delay" in n else min)(group[n] for group in groups) for n in groups[0]}


def report(net: TemporalNet, sessions: int = 60, each: int = 10) -> dict[str, dict[str, float]]:
    """Scores of the main group, mean and worst of the five others, and of quiet and footage sessions."""
    others = [scores(net, seed, each) for seed in OTHER_SEEDS]
    return {
        "gym": scores(net, FIRST_SEED, sessions),
        "others_mean": {n: float(np.mean([o[n] for o in others])) for n in others[0]},
        "others_worst": worst_of(others),
        "quiet": scores(net, FIRST_SEED, each, "quiet"),
        "footage": scores(net, FIRST_SEED, each, "footage"),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", type=Path, help="weights; the bundled ones when absent")
    parser.add_argument("--sessions", type=int, default=60, help="of the main group")
    parser.add_argument("--each", type=int, default=10, help="of each other group")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    args = parser.parse_args()
    rows = report(TemporalNet.load(args.net) if args.net else bundled_net(), args.sessions, args.each)
    if args.json:
        print(json.dumps(rows, indent=1))
        return
    for name, values in rows.items():
        print(f"{name:13s}", "  ".join(f"{key} {value:.3f}" for key, value in values.items()))


if __name__ == "__main__":
    main()
