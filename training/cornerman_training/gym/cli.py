"""`python -m cornerman_training.gym render`: the gym on the command line; `cornerman gym` runs it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cornerman_training.gym.labels import KINDS
from cornerman_training.gym.session import GymSession
from cornerman_training.gym.sheet import contact_sheet
from cornerman_training.gym.splits import SPLITS
from cornerman_training.gym.video import render_session
from cornerman_training.outputs import check_file


def render(
    seed: int,
    out: Path,
    split: str = "test",
    size: int = 480,
    fps: float = 30.0,
    duration_s: float | None = None,
    kind: str | None = None,
    crf: int = 24,
) -> dict[str, object]:
    """Renders one session with its truth; returns a summary of plain JSON types.

    Raises:
        ValueError: for arguments out of range, see `cornerman_training.gym.video.render_session`.
    """
    return summary(
        render_session(
            seed,
            split,
            out=out,
            size=size,
            fps=fps,
            duration_s=duration_s,
            kind=kind,
            crf=crf,
            progress=show_frames,
        ),
        out,
    )


def show_frames(done: int, of: int) -> None:
    """Counts the frames on one line of the terminal on stderr; says nothing where there is none."""
    if sys.stderr.isatty():
        print(f"{done}/{of} frames", end="\r" if done < of else "\n", file=sys.stderr, flush=True)


def summary(session: GymSession, out: Path) -> dict[str, object]:
    """What was written to `out`, as plain JSON types."""
    return {
        "video": str(out),
        "truth": str(out.with_suffix(".json")),
        "subtitles": str(out.with_suffix(".vtt")),
        "seed": session.seed,
        "split": session.split,
        "kind": session.kind,
        "duration_s": session.duration_s,
        "frames": session.frames,
        "repetitions": len(session.reps),
        "feedbacks": len(session.feedbacks),
        "video_bytes": out.stat().st_size,
    }


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m cornerman_training.gym", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("render", help="write one session as .mp4 with .json and .vtt truth")
    one.add_argument("--seed", type=int, required=True)
    one.add_argument("--out", type=Path, required=True)
    one.add_argument("--split", choices=SPLITS, default="test")
    one.add_argument("--size", type=int, default=480, help="pixels, width and height")
    one.add_argument("--fps", type=float, default=30.0)
    one.add_argument("--duration", type=float, default=None, help="seconds; by the seed when absent")
    one.add_argument("--kind", choices=KINDS, default=None)
    one.add_argument("--crf", type=int, default=24)
    demo = commands.add_parser("demo", help="write the bundled clip as .mp4 with .json and .vtt truth")
    demo.add_argument("--out", type=Path, required=True)
    sheet = commands.add_parser("sheet", help="write a contact sheet of many sessions as .png")
    sheet.add_argument("--out", type=Path, required=True)
    sheet.add_argument("--size", type=int, default=112)
    sheet.add_argument("--columns", type=int, default=12)
    sheet.add_argument("--rows", type=int, default=6)
    sheet.add_argument("--split", choices=SPLITS, default="train")
    sheet.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    try:
        check_file(args.out, ".png" if args.command == "sheet" else ".mp4")
        if args.command == "sheet":
            contact_sheet(args.out, args.size, args.columns, args.rows, args.split, args.seed)
            return 0
        if args.command == "demo":
            from cornerman_training.gym.demo import render_demo  # its actors are read for this command only

            written = summary(render_demo(args.out, show_frames), args.out)
        else:
            written = render(args.seed, args.out, args.split, args.size, args.fps, args.duration, args.kind, args.crf)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for name, value in written.items():
        print(f"{name}: {value}")
    return 0
