"""Prints the settings file of a container image: the bundled clip, looped, with the bundled model.

Runs once, while the image is built. Without a bundled model it names the fake back ends, whose texts are echoes of the
prompt. A CORNERMAN_* variable overrides each setting; CORNERMAN_SOURCES='[]' watches nothing.
"""

from __future__ import annotations

import sys
from typing import Any

import yaml

from cornerman.local.model_choice import choose_models, demo_clip


def defaults() -> dict[str, Any]:
    """The settings as a tree."""
    # Torch is in the images that load the model, not necessarily in the one that runs this.
    models = choose_models(lambda _: False, torch=True).settings
    source, _ = demo_clip()
    demo = {"source_id": "demo", "url": source, "watch": {"loop": True}, "speak": {**models.get("speak", {})}}
    return {**models, "sources": [demo]}


if __name__ == "__main__":
    yaml.safe_dump(defaults(), sys.stdout, sort_keys=False)
