"""Prints the settings file of a container image: the bundled clip, looped, with the bundled model.

Runs once, while the image is built. It names the back ends; strategy and gate of a source are resolved from them at run
time, as everywhere. A CORNERMAN_* variable overrides each setting; CORNERMAN_SOURCES='[]' watches nothing.
"""

from __future__ import annotations

import sys
from typing import Any

import yaml

from cornerman.local.demo_clip import demo_clip
from cornerman_common.model_choice import resolve_models


def defaults() -> dict[str, Any]:
    """The settings as a tree."""
    # Torch is in the images that load the model, not necessarily in the one that runs this.
    settings = resolve_models(loads=(), people=False).settings
    source, _ = demo_clip()
    return {
        "encoder": {"backend": settings.encoder.backend},
        "generator": {"backend": settings.generator.backend},
        "capture": {"add_sources": True},
        "sources": [{"source_id": "demo", "url": source, "watch": {"loop": True}}],
    }


if __name__ == "__main__":
    yaml.safe_dump(defaults(), sys.stdout, sort_keys=False)
