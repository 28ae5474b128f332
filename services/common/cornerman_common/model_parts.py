"""The resolved choice of models as data. `model_choice` makes it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cornerman_common.abilities import Abilities
    from cornerman_shared.settings.tree import Settings

GATE: Final = ("confidence_threshold", "min_interval_s", "repeat_window_s", "context_chunks")
"""Settings below `speak` that a head is calibrated with."""


@dataclass(frozen=True, slots=True)
class ModelPart:
    """One of the three parts.

    Attributes:
        backend: the back end; of the decider, the strategy.
        model: path, hub name or name at a server; empty = it has none.
        why: the reason for the choice, for people.
    """

    backend: str
    model: str
    why: str

    def in_words(self) -> str:
        """One line for people."""
        return f"{self.backend}{f' ({self.model})' if self.model else ''}: {self.why}"


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The resolved choice.

    Attributes:
        settings: with every chosen value in place, also in `sources`.
        overrides: nested settings that child processes need beside file and environment; `sources` stay out of it.
        gate: the values of `GATE` in force.
        abilities: of the model that speaks.
        notes: sentences that people need to know.
        coach: which of the two bundled coaches watches, and why, where nothing is set; else empty.
    """

    settings: Settings
    overrides: dict[str, Any]
    encoder: ModelPart
    decider: ModelPart
    generator: ModelPart
    gate: dict[str, float]
    abilities: Abilities
    notes: tuple[str, ...]
    coach: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The choice as JSON types, without the settings."""
        parts = {name: asdict(getattr(self, name)) for name in ("encoder", "decider", "generator")}
        return {**parts, "gate": dict(self.gate), "abilities": self.abilities.to_dict(), "notes": list(self.notes)}
