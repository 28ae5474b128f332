"""Files of a trained temporal head, read without torch: the gate it was calibrated with and the features it reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

HEAD_FILE: Final = "head.json"

GATE_NAMES: Final = {
    "threshold": "confidence_threshold",
    "min_interval_s": "min_interval_s",
    "repeat_window_s": "repeat_window_s",
    "context_chunks": "context_chunks",
}
"""Names in head.json -> settings below `speak`. A head may leave some out."""

GATE_OF_STRATEGY: Final[dict[str, tuple[str, ...]]] = {
    "head": tuple(GATE_NAMES.values()),
    "llm": ("min_interval_s", "repeat_window_s", "context_chunks"),
}
"""Settings that a strategy takes from the head; the others take `context_chunks` only."""

VIDEO_WIDTH, IMAGE_WIDTH = 576, 768
"""Widths of the published towers (VideoMamba-M, CLIP-B/16), which their config.json does not state."""


def head_beside(model: str, assets: Path) -> Path | None:
    """Folder of the head that lies with a model: `head/` in its folder, or of the bundled coach if `model` is empty.

    None if there is none, or the model is named by a hub.
    """
    folder = (Path(model).expanduser() if model else assets / "coach") / "head"
    return folder if folder.is_dir() else None


def calibrated_gate(head: Path, strategy: str) -> dict[str, Any]:
    """Settings below `speak` that a head was calibrated with.

    The threshold applies to strategy `head` only; the intervals also to `llm`; the number of chunks in the context
    to every strategy. Empty if head.json is missing or damaged: the decider reports a damaged head.
    """
    wanted = GATE_OF_STRATEGY.get(strategy, ("context_chunks",))
    stored = _json(head / HEAD_FILE)
    return {setting: stored[name] for name, setting in GATE_NAMES.items() if name in stored and setting in wanted}


def features_read(head: Path) -> tuple[int, int] | None:
    """Widths (CLS, row of a frame) of the features that a head reads; None if its file does not tell."""
    stored = _json(head / HEAD_FILE)
    sizes = stored.get("cls_width"), stored.get("row_width")
    return (sizes[0], sizes[1]) if isinstance(sizes[0], int) and isinstance(sizes[1], int) else None


def features_made(model: Path) -> tuple[int, int] | None:
    """Widths (CLS, row of a frame) of the features that a checkpoint's vision half makes; None if it has no config."""
    stored = _json(model / "config.json")
    if not stored:
        return None
    own = stored.get("mobile_videogpt")
    towers = own if isinstance(own, Mapping) else {}
    video = _width(towers.get("video"), VIDEO_WIDTH)
    return video, video + _width(towers.get("image"), IMAGE_WIDTH)


def _width(tower: object, published: int) -> int:
    width = tower.get("width") if isinstance(tower, Mapping) else None
    return width if isinstance(width, int) else published


def _json(path: Path) -> Mapping[str, Any]:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return stored if isinstance(stored, Mapping) else {}
