"""Weights of the two towers from outside a checkpoint: a VideoMamba `.pth`, a CLIP folder.

A tower that is complete inside the checkpoint is taken from there; a partial one is never filled up from
elsewhere. It knows files and names, and builds no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from mobile_videogpt import names
from mobile_videogpt.errors import CheckpointError
from mobile_videogpt.hub import resolve
from mobile_videogpt.names import IMAGE_TOWER, VIDEO_TOWER, Shape
from mobile_videogpt.published_config import DEFAULT_IMAGE_TOWER, DEFAULT_VIDEO_TOWER
from mobile_videogpt.weights import WeightFiles, find_weights, read_file

VIDEOMAMBA_FILE = "videomamba_m16_25M_f8_res224.pth"


@dataclass(frozen=True, slots=True)
class TowerSources:
    """Where the caller wants the towers from; None means the checkpoint, or else what its config names."""

    video: str | Path | None = None
    image: str | Path | None = None
    revision: str | None = None
    offline: bool = False


def with_towers(
    files: WeightFiles,
    wanted: Mapping[str, Shape],
    sources: TowerSources,
    raw_config: Mapping[str, object],
    folder: Path,
) -> WeightFiles:
    """The checkpoint's weights with both towers in place.

    Raises:
        CheckpointError: if a tower that is neither given nor complete inside cannot be had.
    """
    for prefix, given, key, default in (
        (VIDEO_TOWER, sources.video, "mm_vision_tower", DEFAULT_VIDEO_TOWER),
        (IMAGE_TOWER, sources.image, "image_mm_vision_tower", DEFAULT_IMAGE_TOWER),
    ):
        inside = any(name.startswith(prefix) for name in files.shapes)
        if given is None and inside:
            continue  # complete or damaged: the comparison of names tells
        source = given if given is not None else _beside(raw_config.get(key, default), folder)
        read = read_videomamba if prefix == VIDEO_TOWER else read_clip
        try:
            tower = read(source, sources)
        except CheckpointError as error:
            option = "video_tower" if prefix == VIDEO_TOWER else "image_tower"
            where = "" if given is not None else f"The checkpoint holds no {prefix}* weights. "
            raise CheckpointError(f"{where}{error}. Pass {option}= with the right path.") from error
        shapes = {name: shape for name, shape in wanted.items() if name.startswith(prefix)}
        names.check_fit(shapes, tower.shapes, str(source), "Use the file this architecture was trained with.")
        files = files.only(_not_under(prefix)).joined(tower)
    return files


def read_videomamba(source: str | Path, sources: TowerSources) -> WeightFiles:
    """Weights of a VideoMamba `.pth` (or of the one in a folder or on the hub), under published names."""
    path = Path(source).expanduser()
    if path.is_dir():
        path = path / VIDEOMAMBA_FILE
    if not path.is_file():
        path = _from_hub(str(source), sources)
    return read_file(path).renamed(names.from_videomamba)


def read_clip(source: str | Path, sources: TowerSources) -> WeightFiles:
    """Weights of a CLIP folder or hub name, whole CLIP or vision only, under published names."""
    folder = resolve(source, offline=sources.offline)
    found = find_weights(folder)
    if found is None:
        raise CheckpointError(f"{folder} holds no CLIP weights")
    return found.renamed(names.from_clip)


def _beside(named: object, folder: Path) -> str | Path:
    """A tower that the config names by a path is looked for beside the checkpoint first."""
    local = folder / str(named)
    return local if local.exists() else str(named)


def _not_under(prefix: str) -> _NotUnder:
    return _NotUnder(prefix)


@dataclass(frozen=True, slots=True)
class _NotUnder:
    prefix: str

    def __call__(self, name: str) -> bool:
        return not name.startswith(self.prefix)


def _from_hub(source: str, sources: TowerSources) -> Path:
    if source.count("/") != 1 or source.startswith((".", "/", "~")):
        raise CheckpointError(f"{source} does not exist")
    try:
        return Path(hf_hub_download(source, VIDEOMAMBA_FILE, local_files_only=sources.offline))
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError) as error:
        raise CheckpointError(
            f"{VIDEOMAMBA_FILE} of {source} is not on this machine and could not be fetched"
        ) from error
