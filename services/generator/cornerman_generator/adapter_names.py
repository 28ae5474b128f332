"""Adapters that a request may name: those that the operator lists."""

from __future__ import annotations

from collections.abc import Mapping

from cornerman_shared.errors import GenerationError


def listed_adapter(name: str, adapters: Mapping[str, str]) -> str:
    """The adapter behind a name of `generator.adapters`: a path, or a name at a server; empty for no name.

    Raises:
        GenerationError: the name is not listed.
    """
    if not name:
        return ""
    if name not in adapters:
        known = ", ".join(adapters) or "none"
        raise GenerationError(f"adapter {name!r} is not listed in generator.adapters; listed are: {known}")
    return adapters[name]
