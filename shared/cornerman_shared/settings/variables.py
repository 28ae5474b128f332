"""Refuses environment variables of sections that there are not: pydantic-settings ignores them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Final

from cornerman_shared.errors import ConfigError

PREFIX: Final = "CORNERMAN_"


def check_variables(names: Iterable[str], sections: Mapping[str, Iterable[str]]) -> None:
    """Checks the names of variables of the nested form, `CORNERMAN_SECTION__SETTING`.

    Args:
        names: of the environment.
        sections: the names in every section of the settings.

    Raises:
        ConfigError: names the variable, and the nearest one that there is.
    """
    for name in sorted(names):
        section, nested, setting = name.upper().removeprefix(PREFIX).partition("__")
        if not name.upper().startswith(PREFIX) or not nested or section.lower() in sections:
            continue
        known = [f"{part}__{of}".upper() for part, settings in sections.items() for of in settings]
        near = difflib.get_close_matches(f"{section}__{setting}", known, n=1)
        hint = f"did you mean {PREFIX}{near[0]}?" if near else f"there are {', '.join(sections)}"
        raise ConfigError(f"{name}: unknown section {section.lower()!r} of settings; {hint}")
