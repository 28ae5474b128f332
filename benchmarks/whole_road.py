"""The held-out gym by the whole road: `python -m benchmarks.whole_road --cache DIR [--demands | --json]`.

Sessions are rendered and compressed as a camera's, the real estimator reads the pictures, and the coach on skeletons
decides chunk by chunk, in one process without bus or words. What the estimator saw is kept in the cache, so that other
decisions on the same pictures take seconds. `cornerman_training.skeleton.held_out` scores them without pictures. With
`--demands` the scores are held against those of the coach gate, and the exit status is 1 where one is not met.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from cornerman_capture.motion import grey, motion
from cornerman_common.gate import GateState, Proposal, pass_gate
from cornerman_common.pose_choice import SKELETON_GATE
from cornerman_pose.coaching import CoachingNotes, after_words, coach_chunk
from cornerman_pose.estimator import PoseEstimator
from cornerman_pose.landmarks import Floats
from cornerman_pose.picture import picture_stats
from cornerman_pose.reader import bundled_net
from cornerman_pose.temporal import TemporalNet
from cornerman_pose.unlikeness import UnlikenessMeter
from cornerman_pose.watcher import PoseWatcher
from cornerman_pose.wire import pack_chunk, unpack_chunk
from cornerman_shared.settings.source import SpeakSettings
from cornerman_training.evaluate.messages import SessionResult, SpokenFeedback
from cornerman_training.evaluate.report import PRAISE
from cornerman_training.gym.render import SessionRenderer
from cornerman_training.gym.session import GymSession, plan_session
from cornerman_training.inprocess import as_truth
from cornerman_training.sampling import CHUNK, SAMPLE_FPS, chunk_ends
from cornerman_training.skeleton.coach_gate import Demand
from cornerman_training.skeleton.demands import BELOW_SHORTCUT, GYM
from cornerman_training.skeleton.held_out import FIRST_SEED, OTHER_SEEDS, scored, scores, worst_of

SIDE: Final = 224
"""Pixels of the pictures, as `capture.shorter_side`."""

GATE: Final = SpeakSettings.model_validate(SKELETON_GATE)
"""When the product speaks with the coach on skeletons."""


@dataclass(frozen=True, slots=True)
class PackedChunk:
    """What the encoder sends of one chunk: times of its frames in seconds, people, and how much the picture moves."""

    pts_s: tuple[float, ...]
    people: Floats
    motion: float


def estimated(session: GymSession, estimator: PoseEstimator, side: int = SIDE) -> Iterator[PackedChunk]:
    """The chunks of a session as the estimator sees its pictures, `side` pixels wide and high."""
    renderer = SessionRenderer(session, side, compress=True)
    frames = np.stack([renderer.frame(number) for number in range(session.frames)])
    for end in chunk_ends(len(frames)):
        pixels = frames[end - CHUNK + 1 : end + 1]
        pts_s = tuple(float(number) / SAMPLE_FPS for number in range(end - CHUNK + 1, end + 1))
        seen = estimator.estimate(pixels, pts_s)
        moved = motion(grey(pixels[0]), grey(pixels[-1]))
        yield PackedChunk(pts_s, pack_chunk(seen, picture_stats(pixels, seen)), moved)


def kept(session: GymSession, cache: Path, estimator: PoseEstimator, side: int = SIDE) -> list[PackedChunk]:
    """The same from the cache, or estimated and put there.

    Raises:
        OSError: the cache cannot be read or written.
    """
    path = cache / f"{session.split}-{session.kind}-{session.seed}-{session.frames}-{side}-{estimator.model}.npz"
    if not path.is_file():
        chunks = list(estimated(session, estimator, side))
        arrays: dict[str, Any] = {f"people{number}": chunk.people for number, chunk in enumerate(chunks)}
        times = np.array([chunk.pts_s for chunk in chunks])
        np.savez_compressed(path, times=times, motions=np.array([chunk.motion for chunk in chunks]), **arrays)
    with np.load(path) as found:
        return [
            PackedChunk(tuple(map(float, times)), found[f"people{number}"], float(motion))
            for number, (times, motion) in enumerate(zip(found["times"], found["motions"], strict=True))
        ]


def coached(net: TemporalNet, session: GymSession, chunks: Sequence[PackedChunk]) -> SessionResult:
    """Truth of a session, and what the coach on skeletons says of its chunks."""
    watcher, notes = PoseWatcher(net, UnlikenessMeter.bundled()), CoachingNotes()
    said: list[SpokenFeedback] = []
    gate = GateState()
    for chunk in chunks:
        watched = watcher.push(*unpack_chunk(chunk.people, chunk.pts_s))
        at_s = chunk.pts_s[-1]
        call, notes = coach_chunk(watched, at_s, notes, GATE.repeat_window_s, motion=chunk.motion)
        passed = pass_gate(Proposal(call.action, call.confidence, call.reason), at_s, GATE, gate, request_open=False)
        gate = passed.state
        if passed.action == "next":
            continue
        notes = after_words(call, at_s, notes)
        text = f"{watched.exercise}:{PRAISE}" if call.reason == "good_repetitions" else call.reason
        said.append(SpokenFeedback(at_s, text, call.action))
    return SessionResult(as_truth(session), tuple(said))


def demanded(rows: Mapping[str, Mapping[str, float]], shortcut_f_score: float) -> Iterator[Demand]:
    """The demands on all groups of sessions, `rows`; those of other seeds are named `gym from SEED`.

    Args:
        rows: scores by group, as `main` prints them.
        shortcut_f_score: of the main group without pictures.
    """
    groups = {**rows, "others_worst": worst_of([row for name, row in rows.items() if name.startswith("gym from ")])}
    for (group, score), bound in GYM.items():
        yield Demand(f"whole road {group} {score}", groups[group][score], bound)
    below = shortcut_f_score - rows["gym"]["temporal_f_score"]
    yield Demand("whole road F-score below that without pictures", below, BELOW_SHORTCUT)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True, help="folder for what the estimator saw")
    parser.add_argument("--net", type=Path, help="weights of the temporal half; the bundled ones when absent")
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="seed of the main group's first session")
    parser.add_argument("--others", type=int, nargs="+", default=OTHER_SEEDS, help="those of the other groups")
    parser.add_argument("--sessions", type=int, default=60, help="of the main group")
    parser.add_argument("--each", type=int, default=10, help="of each of the five other groups, quiet and footage")
    parser.add_argument("--duration", type=float, help="seconds a session; by the seed when absent")
    parser.add_argument("--split", default="test", help="part of the gym")
    parser.add_argument("--side", type=int, default=SIDE, help="pixels of the pictures")
    parser.add_argument("--lines", action="store_true", help="print what was said and due, session by session")
    parser.add_argument("--demands", action="store_true", help="hold the scores against what is demanded")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    args = parser.parse_args()
    if args.demands and args.json:
        parser.error("--demands prints lines: leave --json out")
    if args.demands and not args.each:
        parser.error("--demands is about all groups: leave --each 0 out")
    args.cache.mkdir(parents=True, exist_ok=True)
    net = TemporalNet.load(args.net) if args.net else bundled_net()
    estimator = PoseEstimator.load()

    def group(first: int, count: int, kind: str | None = None) -> dict[str, float]:
        results = []
        for seed in range(first, first + count):
            session = plan_session(seed, args.split, fps=SAMPLE_FPS, duration_s=args.duration, kind=kind)
            results.append(coached(net, session, kept(session, args.cache, estimator, args.side)))
            if args.lines:
                print_lines(results[-1])
        return scored(results)

    rows = {"gym": group(args.first, args.sessions)}
    if args.each:
        rows |= {f"gym from {seed}": group(seed, args.each) for seed in args.others}
        rows |= {kind: group(args.first, args.each, kind) for kind in ("quiet", "footage")}
    if args.json:
        print(json.dumps(rows, indent=1))
        return
    for name, values in rows.items():
        print(f"{name:15s}", "  ".join(f"{key} {value:.3f}" for key, value in values.items()))
    if args.demands:
        demands = list(demanded(rows, scores(net, args.first, args.sessions)["temporal_f_score"]))
        print("\n".join(demand.line() for demand in demands))
        sys.exit(0 if all(demand.met for demand in demands) else 1)


def print_lines(result: SessionResult) -> None:
    """What was due in a session and what was said, in the order of time."""
    due = [(f.time_s, "due ", f"{f.exercise}:{f.mistake or PRAISE}") for f in result.session.truth]
    said = [(f.time_s, "said", f.text) for f in result.said]
    print(result.session.name)
    for time_s, what, text in sorted(due + said):
        print(f"  {time_s:6.2f} {what} {text}")


if __name__ == "__main__":
    main()
