"""Which files and models a client of the API may name: those that the operator's settings list. Opens nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerman_gateway.problems import wrong_field

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from cornerman_shared.settings.source import SourceSpec
    from cornerman_shared.settings.tree import Settings


def check_choices(wanted: Mapping[str, Any], settings: Settings, before: SourceSpec | None = None) -> None:
    """Checks `say.adapter` and `speak.head` of a source that is added or changed.

    A path or a name of a model hub in a request would let its sender load any file, or code, into our processes.

    Args:
        wanted: the sections that the client sets.
        settings: the operator's.
        before: the source as it is; its own values may be repeated.

    Raises:
        Problem: 422 naming the field and the values that are allowed.
    """
    adapters = {*settings.generator.adapters, settings.say.adapter} | ({before.say.adapter} if before else set())
    heads = {*settings.gateway.heads, settings.speak.head} | ({before.speak.head} if before else set())
    for section, field, allowed, where in (
        ("say", "adapter", adapters, "generator.adapters"),
        ("speak", "head", heads, "gateway.heads"),
    ):
        value = (wanted.get(section) or {}).get(field, "")
        if value and value not in allowed:
            known = ", ".join(sorted(name for name in allowed if name)) or "none"
            raise wrong_field(
                f"{section}.{field}", f"{section}.{field} {value[:200]!r} is not listed in {where}; listed are: {known}"
            )
