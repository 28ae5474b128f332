"""Prints the settings file of a container image: the bundled clip, looped, watched by the bundled model.

Runs once, while the image is built. Where no model is bundled the fakes take its place: then the words are echoes of
the prompt. Every setting in it may be overridden by a CORNERMAN_* variable; CORNERMAN_SOURCES='[]' watches nothing.
"""

from __future__ import annotations

import sys
from typing import Any

import yaml

from cornerman.local.model_choice import choose_models, clip


def defaults() -> dict[str, Any]:
    """The settings as a tree."""
    # The images that load the model have torch; this one need not.
    players = choose_models(lambda _: False, torch=True).settings
    source, _ = clip()
    demo = {"source_id": "demo", "url": source, "watch": {"loop": True}, "speak": {**players.get("speak", {})}}
    return {**players, "sources": [demo]}


if __name__ == "__main__":
    yaml.safe_dump(defaults(), sys.stdout, sort_keys=False)
