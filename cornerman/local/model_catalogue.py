"""The models that Cornerman works with: abilities, size, speed class, and where their files are. Uses no network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from cornerman_common.abilities import GENERAL, Abilities, folder_abilities
from cornerman_common.bundle import bundled

Speed = Literal["CPU, live", "CPU, slow; GPU, live", "GPU", "its server's"]
"""Speed class: the least machine on which it follows live video."""

COMMAND: Final = {
    "coach": "nothing where what is watched is drawn, and where skeletons cannot be read; --encoder mobile_videogpt",
    "pose_coach": "nothing where people may be in view, after `cornerman models get pose`; --encoder pose",
    "openai": "--generator openai --set generator.base_url=URL --set generator.model=NAME",
    "vlm": "--generator vlm --set generator.model={hub} --set generator.trust_remote_code={hub}@COMMIT",
    "mobile_videogpt": "--set encoder.model={hub}",
}
"""How a command chooses a model, by its kind."""


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One choice of model.

    Attributes:
        decides: who decides when to speak with it.
        size: of its weights, for people.
        files: folder that holds them; empty = not on this machine.
        hub: its name at the model hub; empty = it comes from elsewhere.
        choose: the options that choose it.
    """

    name: str
    decides: str
    abilities: Abilities
    size: str
    speed: Speed
    files: str
    hub: str
    choose: str

    def to_dict(self) -> dict[str, Any]:
        """The entry as JSON types."""
        return {**asdict(self), "abilities": self.abilities.to_dict()}


@dataclass(frozen=True, slots=True)
class _Published:
    name: str
    kind: Literal["mobile_videogpt", "vlm"]
    hub: str
    size: str
    speed: Speed


_PUBLISHED: Final = (
    _Published(
        "Mobile-VideoGPT 0.5B",
        "mobile_videogpt",
        "Amshaker/Mobile-VideoGPT-0.5B",
        "1.3 GB in bfloat16",
        "CPU, slow; GPU, live",
    ),
    _Published("Mobile-VideoGPT 1.5B", "mobile_videogpt", "Amshaker/Mobile-VideoGPT-1.5B", "3.4 GB in bfloat16", "GPU"),
    _Published("MiniCPM-o 4.5", "vlm", "openbmb/MiniCPM-o-4_5", "18.5 GB", "GPU"),
    _Published("MiniCPM-o 4.5 AWQ", "vlm", "openbmb/MiniCPM-o-4_5-awq", "8.6 GB", "GPU"),
)


def catalogue() -> Iterator[CatalogueEntry]:
    """Every choice; the bundled ones first."""
    yield _bundled("bundled coach", "coach", "its trained head")
    yield _bundled("bundled coach of skeletons", "pose_coach", "the table of movements, on one person's landmarks")
    for model in _PUBLISHED:
        yield CatalogueEntry(
            model.name,
            "rules, or its action tokens" if model.kind == "mobile_videogpt" else "the bundled head",
            GENERAL,
            model.size,
            model.speed,
            str(cached(model.hub) or ""),
            model.hub,
            COMMAND[model.kind].format(hub=model.hub),
        )
    yield CatalogueEntry(
        "any OpenAI server (Ollama, vLLM, …)",
        "the bundled head",
        GENERAL,
        "its server's",
        "its server's",
        "",
        "",
        COMMAND["openai"],
    )


def _bundled(name: str, folder: str, decides: str) -> CatalogueEntry:
    place = bundled(folder)
    files = str(place) if (place / "config.json").is_file() else ""
    size = _megabytes(place)
    return CatalogueEntry(name, decides, folder_abilities(place), size, "CPU, live", files, "", COMMAND[folder])


def cached(hub: str) -> Path | None:
    """The newest folder of a hub model in the cache of this user; None if it was not downloaded."""
    home = os.environ.get("HF_HUB_CACHE") or str(Path(os.environ.get("HF_HOME") or "~/.cache/huggingface", "hub"))
    folders = (Path(home).expanduser() / f"models--{hub.replace('/', '--')}" / "snapshots").glob("*")
    return max(folders, key=lambda folder: folder.stat().st_mtime, default=None)


def _megabytes(folder: Path) -> str:
    size = sum(file.stat().st_size for file in folder.rglob("*.safetensors"))
    return f"{size / 1e6:.1f} MB"
