"""Model choice: who encodes, decides and speaks, with which gate and abilities; resolved here for every entrance.

Nothing that is set is changed. Where nothing is set, the bundled coach is used, or fake back ends if torch or the coach
is missing; notes say that the fakes' texts are echoes. Reads settings and small JSON files; imports no torch.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cornerman_common.abilities import speaker_abilities
from cornerman_common.adapter_choice import adapters_named
from cornerman_common.bundle import bundled
from cornerman_common.head_files import calibrated_gate, head_beside
from cornerman_common.model_checks import refuse_wrong_combinations
from cornerman_common.model_parts import GATE, ModelChoice, ModelPart
from cornerman_common.pose_choice import (
    READS_TOKENS,
    is_coach_set,
    leaves_choice,
    pose_missing,
    pose_settings,
)
from cornerman_shared.settings.origin import GivenSettings
from cornerman_shared.settings.overrides import merge
from cornerman_shared.settings.source import SourceSpec, SpeakSettings
from cornerman_shared.settings.tree import load_settings

if TYPE_CHECKING:
    from cornerman_shared.settings.tree import EncoderSettings, GeneratorSettings, Settings

ON_SKELETONS: Final = (
    "The coach on skeletons watches, because people may be in view; of drawn figures --encoder "
    "mobile_videogpt sees more."
)
ON_PICTURES: Final = (
    "The coach on pictures watches, because what is watched is drawn; of people --encoder pose sees more."
)
"""Sentences that say which coach was chosen, and why."""

LOADING: Final = ("encoder", "decider", "generator")
"""Roles that load models."""


def resolve_models(
    flags: Mapping[str, Any] | None = None,
    *,
    loads: Collection[str] = LOADING,
    assets: Path | None = None,
    torch: bool | None = None,
    people: bool | None = None,
) -> ModelChoice:
    """Resolves the choice from flags, environment, settings file, bundled files and what is installed.

    Args:
        flags: nested settings of a command line; they are part of the result's `overrides`.
        assets: folder of the bundled files; None = the package's.
        loads: roles that are started here with the choice; the others run elsewhere, with what is installed there.
        torch: whether torch is installed; None = look.
        people: whether people may be in view, as `shows_people` says; the coach on skeletons then watches them where
            nothing else is set and it can run here. None = it is used where it is set, only.

    Raises:
        ConfigError: a setting is invalid, or the settings do not go together; says what to change.
    """
    given = GivenSettings(flags)
    settings = load_settings(flags)
    has_torch = importlib.util.find_spec("torch") is not None if torch is None else torch
    torch_there = has_torch or not {"encoder", "generator"} & set(loads)
    choosing = _Choosing(settings, given, assets or bundled(), torch_there, "generator" in loads, people)
    choice = choosing.choice(dict(flags or {}))
    refuse_wrong_combinations(choice.settings, choosing.assets, torch=has_torch, loads=loads)
    return choice


def described_models(settings: Settings) -> ModelChoice:
    """The choice that whole settings make: nothing is chosen for them, and nothing is checked."""
    parts = (
        ModelPart(settings.encoder.backend, _model_of("encoder", settings), "as the settings say"),
        ModelPart(settings.speak.strategy, settings.speak.head, "as the settings say"),
        ModelPart(settings.generator.backend, _model_of("generator", settings), "as the settings say"),
    )
    return ModelChoice(settings, {}, *parts, _gate_of(settings), speaker_abilities(settings.generator), ())


class _Choosing:
    """One resolution, step by step: each step sees the values of the steps before."""

    def __init__(
        self,
        settings: Settings,
        given: GivenSettings,
        assets: Path,
        torch: bool,
        loads_generator: bool,
        people: bool | None,
    ) -> None:
        self.assets = assets
        self._loads_generator, self._people = loads_generator, people
        self._coach = ""
        self._settings, self._given, self._torch = settings, given, torch
        self._tree: dict[str, Any] = {}
        self._notes: list[str] = []

    def choice(self, flags: dict[str, Any]) -> ModelChoice:
        generator_why, encoder_why, decider_why = self._choose_skeletons() or (
            # In this order: each sees the values of those before.
            self._choose_generator(),
            self._choose_encoder(),
            self._choose_strategy(),
        )
        self._choose_gate_and_threads()
        overrides = merge(self._tree, flags)
        settings = load_settings(overrides)
        settings = settings.model_copy(update={"sources": self._sources(settings)})
        adapters = self._adapters(settings)
        if adapters != settings.generator.adapters:
            overrides = merge(overrides, {"generator": {"adapters": adapters}})
            generator = settings.generator.model_copy(update={"adapters": adapters})
            settings = settings.model_copy(update={"generator": generator})
        head = settings.speak.strategy == "head"
        return ModelChoice(
            settings,
            overrides,
            ModelPart(settings.encoder.backend, _model_of("encoder", settings), encoder_why),
            ModelPart(settings.speak.strategy, str(self._head_in_use(settings)) if head else "", decider_why),
            ModelPart(settings.generator.backend, _model_of("generator", settings), generator_why),
            _gate_of(settings),
            speaker_abilities(settings.generator),
            tuple(self._notes),
            self._coach,
        )

    def _was_set(self, dotted: str) -> bool:
        return self._given.was_set(dotted)

    def _value(self, section: str, name: str) -> str:
        """A setting as chosen so far."""
        chosen = self._tree.get(section, {})
        return str(chosen[name] if name in chosen else getattr(getattr(self._settings, section), name))

    def _put(self, section: str, **values: Any) -> None:
        own = {name: value for name, value in values.items() if not self._was_set(f"{section}.{name}")}
        if own:
            self._tree = merge(self._tree, {section: own})

    @property
    def _missing(self) -> str:
        """Why the bundled coach cannot be used; empty if it can."""
        if not self._torch:
            return "torch is not installed: pip install 'cornerman[model]'"
        return "" if (self.assets / "coach" / "config.json").is_file() else "no model is bundled"

    def _choose_skeletons(self) -> tuple[str, str, str] | None:
        """Reasons for generator, encoder and strategy of the coach on skeletons; None if another one is chosen."""
        wanted = self._was_set("encoder.backend") and self._settings.encoder.backend == "pose"
        if not wanted and not self._skeletons_come_first():
            return None
        self._tree = merge(self._tree, pose_settings(self._settings, self._was_set, self.assets))
        generator_why = "generator.backend is set" if self._was_set("generator.backend") else "the words for skeletons"
        if not self._was_set("generator.backend") and (why := self._wordless()):
            self._notes.append(f"NO WORDS ({why}). Decisions are real; the text below repeats the prompt.")
            self._tree = merge(self._tree, {"generator": {"backend": "echo", "model": "", "echo_delay_ms": 20.0}})
            generator_why = why
        return (
            generator_why,
            "encoder.backend is set" if wanted else "people may be in view, and nothing is set",
            "speak.strategy is set" if self._was_set("speak.strategy") else "it follows one person",
        )

    def _wordless(self) -> str:
        """Why there are no words for skeletons; empty if there are."""
        if not self._torch:
            return "torch is not installed: pip install 'cornerman[model]'"
        folder = Path(self._value("generator", "model"))
        if (folder / "config.json").is_file():
            return ""
        return f"no language half at {folder}: python -m cornerman_training.pose_words.train --out DIR"

    def _skeletons_come_first(self) -> bool:
        """Whether nothing is set, people may be in view, and the coach on skeletons can run.

        Says which coach it is; a note says why it is not the one that people need.
        """
        rows = [row for row in self._given.tree.get("sources") or [] if isinstance(row, Mapping)]
        if (
            self._people is None
            or self._missing
            or is_coach_set(self._settings, self._was_set)
            or not all(map(leaves_choice, rows))
        ):
            return False
        if not self._people:
            self._coach = ON_PICTURES
            return False
        why = pose_missing(self.assets, self._torch)
        if why:
            self._notes.append(f"The coach on pictures watches, which knows drawn figures only: {why}")
            return False
        self._coach = ON_SKELETONS
        return True

    def _choose_generator(self) -> str:
        if self._was_set("generator.backend"):
            if self._settings.generator.backend in READS_TOKENS:
                self._put("generator", model=self._settings.encoder.model)
            return "generator.backend is set"
        if self._was_set("encoder.backend") and self._settings.encoder.backend == "fake":
            return "the fake encoder makes nothing that a model could read"
        if self._was_set("generator.model") or self._was_set("encoder.model"):
            self._put("generator", backend="mobile_videogpt", model=self._settings.encoder.model)
            return "a model is set"
        if self._missing:
            self._notes.append(
                f"NO MODEL ({self._missing}). The text below repeats the prompt, to show the flow. "
                "Its sentences mean nothing."
            )
            self._put("generator", backend="echo", echo_delay_ms=20.0)
            return self._missing
        self._put("generator", backend="mobile_videogpt")
        return "the bundled coach, because nothing is set"

    def _choose_encoder(self) -> str:
        speaks = self._value("generator", "backend")
        if self._was_set("encoder.backend"):
            if speaks in READS_TOKENS:
                self._put("encoder", model=self._value("generator", "model"))
            return "encoder.backend is set"
        if speaks in READS_TOKENS:
            self._put("encoder", backend="mobile_videogpt", model=self._value("generator", "model"))
            return "the other half of the generator's model"
        if speaks == "echo" and not self._was_set("encoder.model"):
            self._put("encoder", backend="fake")
            return "the generator echo reads nothing"
        if self._missing:
            self._notes.append(f"No encoder model ({self._missing}): simple rules decide when to speak.")
            self._put("encoder", backend="fake")
            return self._missing
        self._put("encoder", backend="mobile_videogpt")
        return "the bundled coach watches and decides; the generator only speaks"

    def _choose_strategy(self) -> str:
        if self._was_set("speak.strategy"):
            return "speak.strategy is set"
        if self._was_set("speak.head"):
            self._put("speak", strategy="head")
            return "speak.head is set"
        if self._value("encoder", "backend") == "fake":
            self._put("speak", strategy="rules")
            return "the fake encoder has no features for a head"
        head = head_beside(self._value("encoder", "model"), self.assets)
        if head is None:
            self._notes.append("There is no trained head for this encoder: simple rules decide when to speak.")
            self._put("speak", strategy="rules")
            return "no trained head lies beside the encoder's model"
        own = bool(self._value("encoder", "model"))
        self._put("speak", strategy="head", **({"head": str(head)} if own else {}))
        return "the head trained with the encoder's model"

    def _choose_gate_and_threads(self) -> None:
        head = self._calibrated_head()
        if head is not None:
            self._put("speak", **calibrated_gate(head, self._value("speak", "strategy")))
        for half in ("encoder", "generator"):
            # The bundled model is so small that a second thread mostly waits for the first.
            if self._value(half, "backend") == "mobile_videogpt" and not self._value(half, "model"):
                self._put(half, threads=1)

    def _adapters(self, settings: Settings) -> dict[str, str]:
        """`generator.adapters`, with those that are named by `say.adapter` of settings that start the generator."""
        if not self._loads_generator:
            return settings.generator.adapters
        return adapters_named(settings.generator.adapters, [settings.say, *(source.say for source in settings.sources)])

    def _calibrated_head(self) -> Path | None:
        """Folder of the head that decides, or of the one trained together with the generator's model."""
        if self._value("speak", "strategy") == "head":
            named = self._value("speak", "head")
            return Path(named).expanduser() if named else head_beside("", self.assets)
        if self._value("generator", "backend") != "mobile_videogpt":
            return None
        return head_beside(self._value("generator", "model"), self.assets)

    def _head_in_use(self, settings: Settings) -> Path:
        named = settings.speak.head
        return Path(named).expanduser() if named else self.assets / "coach" / "head"

    def _sources(self, settings: Settings) -> list[SourceSpec]:
        """The sources of the settings; an entry takes from `watch`, `speak` and `say` what it does not set itself."""
        rows = self._given.tree.get("sources") or []
        sections = {name: getattr(settings, name).model_dump() for name in ("watch", "say")}
        return [
            SourceSpec.model_validate(merge(sections, {"speak": self._speak_of(row, settings)}, row))
            if isinstance(row, Mapping)
            else row  # a spec is whole
            for row in rows
        ]

    def _speak_of(self, row: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
        """The section `speak` for an entry; another strategy takes no gate that belongs to the chosen one."""
        strategy = (row.get("speak") or {}).get("strategy", settings.speak.strategy)
        if strategy == settings.speak.strategy:
            return settings.speak.model_dump()
        head = head_beside(settings.encoder.model, self.assets)
        gate = calibrated_gate(head, strategy) if head else {}
        return merge(SpeakSettings().model_dump(), gate, self._given.tree.get("speak") or {})


def _model_of(half: str, settings: Settings) -> str:
    section: EncoderSettings | GeneratorSettings = getattr(settings, half)
    return "the bundled coach" if section.backend in READS_TOKENS and not section.model else section.model


def _gate_of(settings: Settings) -> dict[str, float]:
    return {name: getattr(settings.speak, name) for name in GATE}
