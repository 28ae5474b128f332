"""Chooses when each mistake is named: `python -m cornerman_training.skeleton.tune --people DIR [--net FILE] [--write]`.

For every rule of `assets/movements.json` the probability `decide` and the excess `past` from which it is named, so that
the coach comes as near as it can to what `coach_gate` demands, on half A of the labelled people and on validation
sessions of the gym. Half B, the gym's test sessions and all clips that are kept back have no part in it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

import numpy as np

from cornerman_pose.files import read_landmarks
from cornerman_pose.landmarks import SeenChunk
from cornerman_pose.movements import form_rules
from cornerman_pose.people_eval.clips import LabelledClip
from cornerman_pose.people_eval.made import KINDS, made_after, made_spans
from cornerman_pose.people_eval.names import exercise_name, mistake_name
from cornerman_pose.people_eval.run import sets_of
from cornerman_pose.people_eval.score import EARLY_S, LATE_S
from cornerman_pose.reader import bundled_net
from cornerman_pose.repetitions import CountingSettings, RepetitionSeen
from cornerman_pose.skeleton_coach import SkeletonCoach
from cornerman_pose.temporal import TemporalNet
from cornerman_training.gym.session import GymSession, plan_session
from cornerman_training.skeleton.adjust import JudgedReps, adjust, silence_of
from cornerman_training.skeleton.estimator import Landmarks
from cornerman_training.skeleton.half import half_of
from cornerman_training.skeleton.held_out import repetitions_of
from cornerman_training.skeleton.kept_sessions import kept_sessions
from cornerman_training.skeleton.thresholds import Floats, SeenClip, SeenRep, gather, tune, write
from cornerman_training.skeleton.timing import FPS

VALIDATION_SEED: Final = 1
SESSIONS: Final = 80
_NEAR_S: Final = 1.0
_AT = {rule.key: i for i, rule in enumerate(form_rules())}
EVERYTHING: Final = CountingSettings(everything=True)


def evidence(rep: RepetitionSeen) -> SeenRep:
    """Of a repetition read with `EVERYTHING`."""
    count = len(_AT)
    out = SeenRep(np.full(count, np.nan), np.full(count, np.nan), np.zeros(count))
    for one in rep.mistakes:
        i = _AT[one.rule.key]
        p = float(np.clip(one.probability, 1e-4, 1 - 1e-4))
        out.logit[i], out.past[i], out.beside[i] = np.log(p / (1 - p)), one.past, one.beside
    return out


def _watched(net: TemporalNet, chunks: Iterable[SeenChunk]) -> tuple[list[RepetitionSeen], float]:
    coach, done, first, last = SkeletonCoach(net, EVERYTHING), list[RepetitionSeen](), None, 0.0
    for seen in chunks:
        first = seen.frame_pts_s[0] if first is None else first
        last = seen.frame_pts_s[-1]
        if (made := coach.read(seen)) is not None:
            done += made.repetitions
    done += coach.end()
    return done, max(0.0, last - (first or 0.0)) / 60


def people(net: TemporalNet, folder: Path, half: int) -> Iterator[SeenClip]:
    """The clips of one half of a folder, set by set, and the mistakes made from its good ones."""
    for name, shown in sets_of(folder).items():
        for one in shown:
            if half_of(one.clip.name, one.clip.group) != half:
                continue
            done, minutes = _watched(net, one.chunks())
            verdict = "quiet" if one.clip.quiet else one.clip.verdict
            yield SeenClip(name, one.clip.group, verdict, minutes, [evidence(rep) for rep in done])
            if name == "." and one.clip.landmarks is not None and one.clip.reps and one.clip.verdict == "good":
                yield from _made(net, one.clip)


def _made(net: TemporalNet, clip: LabelledClip) -> Iterator[SeenClip]:
    assert clip.landmarks is not None
    track = read_landmarks(clip.landmarks)
    for name, kind in KINDS.items():
        spans = made_spans(clip, track, kind)
        if not spans:
            continue
        made, changed = kind.make(track, spans)
        both, later = made_after(track, made)
        done, minutes = _watched(net, both.chunks())
        done = [rep for rep in done if exercise_name(rep.exercise) == clip.exercise]
        names = np.array(
            [
                rule.exercise == clip.exercise and mistake_name(rule.name) in kind.names[clip.exercise]
                for rule in form_rules()
            ]
        )
        for label, ends in (("made", [end + later for _, end in changed]), ("untouched", [end for _, end in spans])):
            reps = [evidence(rep) for end in ends if (rep := _nearest(done, end, EARLY_S, LATE_S)) is not None]
            for one in reps:
                one.names = names
            yield SeenClip(f"{label} {name}", clip.group, clip.verdict, minutes, reps, len(ends))


def _nearest(done: Sequence[RepetitionSeen], end_s: float, before_s: float, after_s: float) -> RepetitionSeen | None:
    near = [rep for rep in done if -before_s <= rep.end_s - end_s <= after_s]
    return min(near, key=lambda rep: abs(rep.end_s - end_s)) if near else None


def gym(net: TemporalNet, sessions: int = SESSIONS) -> Iterator[SeenClip]:
    """Validation sessions of the gym."""
    for seed in range(VALIDATION_SEED, VALIDATION_SEED + sessions):
        yield judged_session(net, plan_session(seed, "validation", fps=FPS))


def judged_session(net: TemporalNet, session: GymSession, marks: Landmarks | None = None) -> SeenClip:
    """A session beside its truth: seen with drawn errors, or as the given landmarks show it."""
    left = repetitions_of(net, session, EVERYTHING, marks)
    clip = SeenClip("gym", str(session.seed), "good", session.duration_s / 60, [], len(session.reps))
    for true in session.reps:
        rep = _nearest(left, true.end_s, _NEAR_S, _NEAR_S)
        if rep is None:
            continue
        left.remove(rep)
        found = evidence(rep)
        if rep.exercise == true.exercise:
            found.truth = _AT[f"{true.exercise}:{true.mistake}"] if true.mistake else -1
        clip.reps.append(found)
    for rep in left:
        found = evidence(rep)
        found.truth = -1
        clip.reps.append(found)
    return clip


def adjusted(
    net: TemporalNet, folder: Path, rendered: Path, first: int, now: tuple[Floats, Floats]
) -> tuple[dict[str, float], Floats, Floats, dict[str, float]]:
    """Rates before, thresholds gone on from `now`, and rates after; see `adjust`.

    Raises:
        ValueError: the folder holds no rendered session.
    """
    known = gather([clip for half in (0, 1) for clip in people(net, folder, half)])
    seen = [judged_session(net, one.session, one.marks) for one in kept_sessions(rendered, first)]
    if not seen:
        raise ValueError(f"{rendered} holds no rendered session from {first} on")
    sessions = {"rendered": JudgedReps.of(seen), "drawn": JudgedReps.of(list(gym(net)))}
    decide, past = adjust(known, list(sessions.values()), *now)
    both = []
    for at in (now, (decide, past)):
        rates = known.rates(silence_of(known, *at))
        for name, one in sessions.items():
            right, false = one.counts(one.strength(*at))
            made = max(int((one.truth >= 0).sum()), 1)
            rates |= {f"{name} told right": right / made, f"{name} told wrong, of those": false / made}
        both.append(rates)
    return both[0], decide, past, both[1]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--people", type=Path, required=True, help="folder of labelled people; half A, or all with --adjust"
    )
    parser.add_argument("--net", type=Path, help="weights; the bundled ones when absent")
    parser.add_argument(
        "--adjust", type=Path, metavar="DIR", help="rendered sessions: move the thresholds of the table"
    )
    parser.add_argument("--from", dest="first", type=int, default=0, help="first rendered session that is read")
    parser.add_argument("--write", action="store_true", help="into the table of movements of this release")
    args = parser.parse_args()
    net = TemporalNet.load(args.net) if args.net else bundled_net()
    now = np.array([rule.decide for rule in form_rules()]), np.array([rule.past for rule in form_rules()])
    if args.adjust:
        try:
            before, decide, past, after = adjusted(net, args.people, args.adjust, args.first, now)
        except ValueError as error:
            parser.error(str(error))
    else:
        evidence = gather([*people(net, args.people, 0), *gym(net)])
        before = evidence.rates(evidence.silent(*now))
        decide, past, after = tune(evidence)
    for name in after:
        print(f"{name:<28} {before[name]:7.3f} -> {after[name]:7.3f}")
    for rule, d, p in zip(form_rules(), decide, past, strict=True):
        print(f"{rule.key:<32} decide {rule.decide:5.2f} -> {d:5.2f}  past {rule.past:6.2f} -> {p:6.2f}")
    if args.write:
        write(decide, past, Path(str(files("cornerman_pose") / "assets" / "movements.json")))


if __name__ == "__main__":
    main()
