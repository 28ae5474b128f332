"""Abilities of a model that speaks: which questions it answers, whether it follows prompts, which exercises it knows.

A model's folder may hold `abilities.json`; a model without one is general. Reads no weights and imports no torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from cornerman_common.bundle import bundled
from cornerman_shared.errors import ConfigError

if TYPE_CHECKING:
    from cornerman_shared.settings.tree import GeneratorSettings

FILE: Final = "abilities.json"

Topic = Literal["form", "count", "exercise"]
"""Kinds of question about an exercise: how well it is done, how often, and which it is."""

Sees = Literal["pictures", "skeletons"]

NOTHING_OF_ITS_OWN: Final = ("echo", "openai", "vlm")
"""Back ends whose abilities are those of a general model, whatever folder they are given."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """The abilities of one model; None stands for no limit.

    Attributes:
        topics: kinds of question that it answers; empty = none.
        follows_prompts: whether a prompt changes its words.
        exercises: names of the exercises that it knows.
        sees: the input that it judges.
        languages: of its questions and answers, as ISO 639-1 codes.
    """

    topics: tuple[Topic, ...] | None = None
    follows_prompts: bool = True
    exercises: tuple[str, ...] | None = None
    sees: Sees = "pictures"
    languages: tuple[str, ...] | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any], where: str) -> Abilities:
        """Reads plain values, as `to_dict` or an `abilities.json` has them.

        Raises:
            ConfigError: an unknown name or a wrong value.
        """
        known = set(cls.__slots__)
        if unknown := sorted(set(values) - known):
            raise ConfigError(f"{where}: unknown ability {unknown[0]!r}; there are {', '.join(sorted(known))}")
        lists = {
            name: None if values.get(name) is None else tuple(str(one) for one in values[name])
            for name in ("topics", "exercises", "languages")
        }
        wrong = [topic for topic in lists["topics"] or () if topic not in get_args(Topic)]
        sees, follows = values.get("sees", "pictures"), values.get("follows_prompts", True)
        if wrong:
            raise ConfigError(f"{where}: unknown topic {wrong[0]!r}; there are {', '.join(get_args(Topic))}")
        if sees not in get_args(Sees) or not isinstance(follows, bool):
            raise ConfigError(
                f"{where}: sees = {sees!r}, follows_prompts = {follows!r}; "
                f"give {' or '.join(get_args(Sees))}, and true or false"
            )
        return cls(lists["topics"], follows, lists["exercises"], sees, lists["languages"])  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, Any]:
        """The abilities as JSON types."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def in_words(self) -> str:
        """One line for people.

        >>> Abilities(("form",), False, ("squat", "push_up"), "pictures", ("en",)).in_words()
        'questions about form; own words only; squat, push up; pictures; en'
        """
        asked = "any question" if self.topics is None else f"questions about {', '.join(self.topics)}"
        return "; ".join(
            (
                "no questions" if self.topics == () else asked,
                "follows prompts" if self.follows_prompts else "own words only",
                "any exercise" if self.exercises is None else ", ".join(map(spoken_name, self.exercises)),
                self.sees,
                "any language" if self.languages is None else ", ".join(self.languages),
            )
        )


GENERAL: Final = Abilities()
"""A general model: any question, any prompt."""


def spoken_name(exercise: str) -> str:
    """An exercise's name for people: `push_up` -> `push up`."""
    return exercise.replace("_", " ")


def folder_abilities(folder: Path) -> Abilities:
    """The abilities that a model's folder states; `GENERAL` where it states none.

    Raises:
        ConfigError: its `abilities.json` cannot be read.
    """
    path = folder / FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return GENERAL
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds a {type(values).__name__}; give an object")
    return Abilities.of(values, str(path))


def reported_models(generator: GeneratorSettings) -> dict[str, str]:
    """What a generator reports of its model, also while it loads it.

    Raises:
        ConfigError: as `speaker_abilities`.
    """
    return {
        "backend": generator.backend,
        "model": generator.model,
        "abilities": json.dumps(speaker_abilities(generator).to_dict()),
        "adapters": json.dumps(list(generator.adapters)),
    }


def speaker_abilities(generator: GeneratorSettings) -> Abilities:
    """The abilities of the model that the generator's settings name.

    Raises:
        ConfigError: its `abilities.json` cannot be read, or no model is bundled.
    """
    if generator.backend in NOTHING_OF_ITS_OWN:
        return GENERAL
    return folder_abilities(Path(generator.model).expanduser() if generator.model else bundled("coach"))
