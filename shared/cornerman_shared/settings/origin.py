"""Tells which settings are set, by flag, environment variable or file, from those that have their default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_settings import EnvSettingsSource, InitSettingsSource

from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.overrides import merge
from cornerman_shared.settings.tree import Settings


class GivenSettings:
    """The settings that a process was given, as `load_settings` reads them, without any default.

    A validated `Settings` cannot tell: a section that was merged lists all its fields as set.

    Args:
        flags: nested values from a command line, as for `load_settings`.

    Raises:
        ConfigError: the settings file cannot be found, or a variable is not readable.
    """

    def __init__(self, flags: Mapping[str, Any] | None = None) -> None:
        # The loader's own sources in the loader's own order, strongest first.
        try:
            given, environment = InitSettingsSource(Settings, dict(flags or {})), EnvSettingsSource(Settings)
            # Dotenv and secrets, the last two, are not read.
            sources = Settings.settings_customise_sources(Settings, given, environment, environment, environment)
            found = [source() for source in reversed(sources)]
        except ValueError as error:
            raise ConfigError(f"the settings cannot be read: {error}") from None
        self.tree: dict[str, Any] = merge(*found)

    def was_set(self, dotted: str) -> bool:
        """Whether a setting, e.g. `encoder.backend`, or anything of a section, e.g. `watch`, is set."""
        return _has(self.tree, dotted)

    def source_was_set(self, source_id: str, dotted: str) -> bool:
        """Whether a setting is set in the entry of this source below `sources`."""
        rows = self.tree.get("sources") or []
        return any(isinstance(row, Mapping) and row.get("source_id") == source_id and _has(row, dotted) for row in rows)


def _has(tree: Mapping[str, Any], dotted: str) -> bool:
    head, _, rest = dotted.partition(".")
    if head not in tree:
        return False
    below = tree[head]
    return not rest or (isinstance(below, Mapping) and _has(below, rest))
