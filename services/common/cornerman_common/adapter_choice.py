"""Adapters that the operator names by path: they join the list `generator.adapters` under the text that was typed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cornerman_shared.settings.source import SaySettings


def adapters_named(listed: Mapping[str, str], says: Iterable[SaySettings]) -> dict[str, str]:
    """The list with every `say.adapter` in it.

    The text is a name from here on, and its place is whole: a process that starts in another folder finds it.

    Args:
        listed: `generator.adapters`.
        says: sections `say` of the operator's own settings and sources.
    """
    places = {name: place_of(place) for name, place in listed.items()}
    for say in says:
        if say.adapter and say.adapter not in places:
            places[say.adapter] = place_of(say.adapter)
    return places


def place_of(text: str) -> str:
    """The absolute path of a folder that is here; any other text as it is: a hub's name, or a name at a server."""
    path = Path(text).expanduser()
    return str(path.absolute()) if path.is_dir() else text
