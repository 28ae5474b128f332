"""The coach on skeletons as a choice: whether it can run here, and the settings it runs with. Starts nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cornerman_common.bundle import bundled
from cornerman_shared.process.cores import usable_cores

if TYPE_CHECKING:
    from cornerman_shared.settings.source import SourceSpec
    from cornerman_shared.settings.tree import Settings

FOLDER: Final = "pose_coach"
"""Of the bundled language half and projector, below the assets of the package."""

SKELETON_GATE: Final = {
    "confidence_threshold": 0.0,
    "min_interval_s": 2.0,
    "repeat_window_s": 2.0,
    "context_chunks": 3,
}
"""Settings below `speak`. A mistake is named from a probability of its own on, in the table of movements, and the
lowest of those is 0.01: no further threshold bars it. The words were trained on three chunks."""

READS_TOKENS: Final = ("mobile_videogpt", "vllm")
"""Generators that read the encoder's tokens: encoder and generator are halves of one model."""


MOST_THREADS: Final = 4
"""Chunks that an encoder estimates at once where nothing is set."""

DECIDED_BY: Final = (
    *("encoder.backend", "encoder.model", "encoder.framing", "generator.adapters"),
    *("speak.strategy", "speak.head", "say.adapter", "watch.look", "watch.frames"),
)
"""Settings that choose another coach, a part of one, or looks that the coach on skeletons does not read."""

SPEAKS: Final = ("generator.backend", "generator.model")
"""Settings that choose another coach, unless their model looks at frames: then it speaks for any coach."""

_OWN: Final = (*(("speak", "strategy"), ("speak", "head"), ("say", "adapter"), ("watch", "look"), ("watch", "frames")),)
"""The same of an entry of `sources`."""


def shows_people(sources: Iterable[SourceSpec]) -> bool | None:
    """Whether people may be in view; without a source, of those that are added later.

    Test patterns and the bundled clip are drawn. None = another mode than `coach`: its looks have no skeletons.
    """
    specs = list(sources)
    if any(spec.mode != "coach" for spec in specs):
        return None
    clip = str(bundled("demo.mp4"))
    return not specs or any(spec.url != clip and not spec.url.startswith("test://") for spec in specs)


def is_coach_set(settings: Settings, was_set: Callable[[str], bool]) -> bool:
    """Whether a coach, or a part of one that goes with no other, is set."""
    speaks = any(map(was_set, SPEAKS))
    looks = was_set("generator.backend") and settings.generator.backend not in (*READS_TOKENS, "echo")
    return (speaks and not looks) or any(map(was_set, DECIDED_BY))


def leaves_choice(row: Mapping[str, Any]) -> bool:
    """Whether an entry of `sources` sets nothing that goes with one coach only."""
    return row.get("mode", "coach") == "coach" and not any(
        isinstance(section := row.get(name), Mapping) and field in section for name, field in _OWN
    )


def pose_missing(assets: Path, torch: bool) -> str:
    """Why the coach on skeletons cannot run here, with the remedy; empty if it can.

    Args:
        assets: folder of the bundled files.
        torch: torch is installed; the words need it.
    """
    if not torch:
        return "torch is not installed: pip install 'cornerman[model]'"
    if not (assets / FOLDER / "config.json").is_file():
        return f"no words for skeletons are bundled at {assets / FOLDER}"
    return estimator_missing()


def estimator_missing() -> str:
    """Why landmarks cannot be estimated here, with the remedy; empty if they can."""
    # Imported here: most commands choose no estimator.
    from cornerman_pose import nets, weights
    from cornerman_pose.errors import PoseError

    try:
        nets.litert()
        weights.find()
    except PoseError as error:
        return str(error)
    return ""


def pose_settings(settings: Settings, was_set: Callable[[str], bool], assets: Path) -> dict[str, Any]:
    """Settings of the coach on skeletons, without those that are set.

    A generator that is set stays, with its own model where it looks at frames; its prompt says what was seen.

    Args:
        settings: as they are.
        was_set: tells whether a setting, e.g. `encoder.backend`, is set by flag, variable or file.
        assets: folder of the bundled files.
    """
    reads = not was_set("generator.backend") or settings.generator.backend in READS_TOKENS
    named = settings.encoder.model or (settings.generator.model if reads else "")
    model = named or str(assets / FOLDER)
    threads = min(MOST_THREADS, usable_cores())
    wanted: dict[str, dict[str, Any]] = {"encoder": {"backend": "pose", "model": model, "threads": threads}}
    if reads:
        wanted["generator"] = {"backend": "mobile_videogpt", "model": model, "threads": 1}
    if was_set("speak.strategy") and settings.speak.strategy != "skeleton":
        wanted["speak"] = {"context_chunks": SKELETON_GATE["context_chunks"]}
    else:
        wanted["speak"] = {"strategy": "skeleton", **SKELETON_GATE}
    left = {
        section: {name: value for name, value in values.items() if not was_set(f"{section}.{name}")}
        for section, values in wanted.items()
    }
    return {section: values for section, values in left.items() if values}
