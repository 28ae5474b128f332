"""A profile or a preset as a file: what to watch for, or how closely. Parses and checks text; reads no files.

    title: Sports
    about: A match or a training session, told as it happens.
    mode: commentary
    say:
      prompt: You are a sports commentator. …

Both may set `mode` and any setting of `watch`, `speak` and `say`. A profile has a prompt; a preset has none, so that
each profile goes with each preset.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import Field, ValidationError

from cornerman_common.saved_folder import NAME
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.explain import explain
from cornerman_shared.settings.files import parse_settings
from cornerman_shared.settings.source import Mode, Plain, SaySettings, Section, SpeakSettings, WatchSettings

SavedKind = Literal["profile", "preset"]

RESERVED: Final = "custom"
"""What settings are called that no file has."""
MAX_BYTES: Final = 64 * 1024
"""Of one file: the longest prompts fit."""

_SECTIONS: Final[dict[str, type[Section]]] = {"watch": WatchSettings, "speak": SpeakSettings, "say": SaySettings}
_PROMPTS: Final = ("prompt", "system_prompt")


class SavedSettings(Section):
    """The content of a profile or preset; sections hold only the settings that it changes."""

    title: Annotated[Plain, Field(min_length=1, max_length=80, description="as people see it")]
    about: Annotated[Plain, Field(max_length=300, description="for whom it is, one line")] = ""
    mode: Annotated[Mode | None, Field(description="how the source is watched; missing = as it is")] = None
    watch: dict[str, Any] = Field(default_factory=dict, description="settings of capture")
    speak: dict[str, Any] = Field(default_factory=dict, description="settings of the decider")
    say: dict[str, Any] = Field(default_factory=dict, description="settings of the generator")

    @property
    def prompt(self) -> str:
        """What the model is told; empty for a preset."""
        return str(self.say.get("prompt", ""))

    def changes(self) -> dict[str, Any]:
        """As changes to a source."""
        sections = {name: dict(getattr(self, name)) for name in _SECTIONS if getattr(self, name)}
        return {**({"mode": self.mode} if self.mode else {}), **sections}


def check_name(name: str) -> str:
    """The name, if a file can be called so.

    Raises:
        ConfigError: it cannot.
    """
    if not NAME.fullmatch(name) or name == RESERVED:
        raise ConfigError(
            f"name {name[:60]!r} is not usable: give 1 to 40 small letters, digits, '_' or '-', "
            f"beginning with a letter or digit, and not {RESERVED!r}"
        )
    return name


def parse_saved(kind: SavedKind, text: str, where: str) -> SavedSettings:
    """The settings in the text of a file.

    Args:
        kind: what the file is.
        text: its YAML.
        where: its name, for errors.

    Raises:
        ConfigError: one line for each wrong field: file, line, field, value, and what is allowed.
    """
    if (size := len(text.encode())) > MAX_BYTES:
        raise ConfigError(f"{where}: {size} bytes; a {kind} has at most {MAX_BYTES}")
    tree = parse_settings(text, where, aliases=False)
    lines = _Lines(text, where)
    try:
        saved = SavedSettings.model_validate(tree)
    except ValidationError as error:
        raise ConfigError("\n".join(lines.at(line) for line in _plain(error))) from None
    wrong: list[str] = []
    sections: dict[str, dict[str, Any]] = {}
    for name, section in _SECTIONS.items():
        given = getattr(saved, name)
        try:
            checked = section.model_validate(given)
        except ValidationError as error:
            wrong += [lines.at(f"{name}.{line}") for line in _plain(error)]
        else:
            sections[name] = {key: value for key, value in checked.model_dump(mode="json").items() if key in given}
    if wrong:
        raise ConfigError("\n".join(wrong))
    saved = saved.model_copy(update=sections)
    _check_kind(kind, saved, lines)
    return saved


def _check_kind(kind: SavedKind, saved: SavedSettings, lines: _Lines) -> None:
    if kind == "profile" and not saved.prompt.strip():
        raise ConfigError(lines.at("say.prompt: a profile says what to watch for; give say.prompt"))
    if kind == "preset":
        for name in _PROMPTS:
            if name in saved.say:
                raise ConfigError(
                    lines.at(f"say.{name}: a preset goes with every profile; put the prompt in a profile")
                )
        if not saved.changes():
            raise ConfigError(lines.at("watch: a preset without settings changes nothing; give watch, speak or say"))


def _plain(error: ValidationError) -> list[str]:
    return explain(error).splitlines()


class _Lines:
    """Says in which line of a file a field is."""

    def __init__(self, text: str, where: str) -> None:
        self._text = text
        self._where = where

    @cached_property
    def _root(self) -> yaml.Node | None:
        return yaml.compose(self._text, Loader=yaml.SafeLoader)

    def at(self, message: str) -> str:
        """The message with file and line in front; it begins with the dotted name of a field."""
        path = re.split(r"[ :]", message, maxsplit=1)[0].split(".")
        return f"{self._where}{self._line(path)}: {message}"

    def _line(self, path: list[str]) -> str:
        node = self._root
        line: int | None = None
        for name in path:
            pairs = node.value if isinstance(node, yaml.MappingNode) else []
            found = next(((key, value) for key, value in pairs if key.value == name), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        return "" if line is None else f", line {line}"
