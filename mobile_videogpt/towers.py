"""Weights of the two towers from their own files: a VideoMamba `.pth`, a CLIP folder.

A tower inside the checkpoint is used from there; a partial one is an error and is never completed from elsewhere.
Knows files and names, and builds no model.
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
    """Files of the towers; None: the checkpoint's own, or else those its config names."""

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
        CheckpointError: if a tower is neither given nor in the checkpoint, or does not fit.
    """
    for prefix, given, key, default in (
        (VIDEO_TOWER, sources.video, "mm_vision_tower", DEFAULT_VIDEO_TOWER),
        (IMAGE_TOWER, sources.image, "image_mm_vision_tower", DEFAULT_IMAGE_TOWER),
    ):
        inside = any(name.startswith(prefix) for name in files.shapes)
        if given is None and inside:
            continue  # complete or damaged: the comparison of names reports it
        source = given if given is not None else _beside(raw_config.get(key, default), folder)
        read = read_videomamba if prefix == VIDEO_TOWER else read_clip
        try:
            tower = read(source, sources)
        except CheckpointError as error:
            option = "video_tower" if prefix == VIDEO_TOWER else "image_tower"
            where = "" if given is not None else f"The checkpoint holds no {prefix}* weights. "
            raise CheckpointError(f"{where}{error}. Pass {option}= with the right path.") from error
        # Checked here, so that the error names the tower's file and not the checkpoint.
        shapes = {name: shape for name, shape in wanted.items() if name.startswith(prefix)}
        names.check_fit(shapes, tower.shapes, str(source), "Use the file this architecture was trained with.")
        files = _without(files, prefix).joined(tower)
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
    """The tower that the config names: beside the checkpoint if it is there, else as named."""
    local = folder / str(named)
    return local if local.exists() else str(named)


def _without(files: WeightFiles, prefix: str) -> WeightFiles:
    return files.only(lambda name: not name.startswith(prefix))


def _from_hub(source: str, sources: TowerSources) -> Path:
    if source.count("/") != 1 or source.startswith((".", "/", "~")):
        raise CheckpointError(f"{source} does not exist")
    try:
        return Path(hf_hub_download(source, VIDEOMAMBA_FILE, local_files_only=sources.offline))
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError) as error:
        raise CheckpointError(
            f"{VIDEOMAMBA_FILE} of {source} is not on this machine and could not be fetched"
        ) from error
