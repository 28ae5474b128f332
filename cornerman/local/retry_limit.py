"""The limit on retries of a source that never opens, for commands that a mistyped address must end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cornerman_shared.settings.origin import GivenSettings
    from cornerman_shared.settings.source import SourceSpec

GIVE_UP_S: Final = 15.0
"""A source without a frame for so long after its first failure ends `run`; under `up` it is retried without end."""


def limit_retries(specs: Iterable[SourceSpec], given: GivenSettings) -> list[SourceSpec]:
    """The specs with a limit on retries, unless `watch.give_up_s` is set.

    Args:
        specs: of the command's sources.
        given: tells whether the setting is set for all sources, or in a source's own entry. The fields of a spec
            cannot tell, because a section that was merged lists all its fields as set.
    """
    name = "watch.give_up_s"
    return [
        spec if given.was_set(name) or given.source_was_set(spec.source_id, name) else with_give_up(spec)
        for spec in specs
    ]


def with_give_up(spec: SourceSpec) -> SourceSpec:
    """The spec with a limit on retries; its own limit stays."""
    if spec.watch.give_up_s:
        return spec
    return spec.model_copy(update={"watch": spec.watch.model_copy(update={"give_up_s": GIVE_UP_S})})
