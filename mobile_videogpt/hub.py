"""Finds a checkpoint's folder: a local one, or a download from the Hugging Face hub (offline flags are respected).

Knows nothing of the folder's content.
"""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

from mobile_videogpt.errors import CheckpointError

WANTED_FILES = ("*.json", "*.safetensors", "*.bin", "merges.txt", "*.pth")


def resolve(path_or_name: str | Path, *, revision: str | None = None, offline: bool = False) -> Path:
    """The local folder of `path_or_name`; downloads a hub name that is not cached.

    Args:
        path_or_name: a folder, or `OWNER/NAME` on the hub.
        revision: branch, tag or commit on the hub.
        offline: use the local cache only; `HF_HUB_OFFLINE=1` does the same.

    Raises:
        CheckpointError: if neither a folder nor a download is available.
    """
    path = Path(path_or_name).expanduser()
    if path.is_dir():
        return path
    name = str(path_or_name)
    if path.exists() or path.is_absolute() or name.startswith((".", "~")) or name.count("/") != 1:
        kind = "is a file, not a folder" if path.exists() else "does not exist"
        raise CheckpointError(f"{name} {kind}; pass a checkpoint's folder, or OWNER/NAME on the hub")
    try:
        return Path(
            snapshot_download(name, revision=revision, local_files_only=offline, allow_patterns=list(WANTED_FILES))
        )
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise CheckpointError(
            f"{name} is not a folder here and was not downloaded before, and the hub was not reached. "
            "Check the spelling, go online once, or pass a folder."
        ) from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise CheckpointError(f"{name} could not be fetched from the hub: {error}") from error
