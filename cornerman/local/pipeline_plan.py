"""The plan of a local pipeline, and the progress of each of its sources."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cornerman.local.counts import SourceCounts
from cornerman.local.launcher import DECIDING, ROLES
from cornerman_common.bundle import bundled

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.messages import Event
    from cornerman_shared.settings.source import SourceSpec
    from cornerman_shared.settings.tree import GeneratorSettings

OVER = ("ended", "failed")


@dataclass(frozen=True, slots=True)
class PipelinePlan:
    """Sources to run, and the services to run them with.

    Attributes:
        lengths_s: length of each source in seconds, None if unknown.
        roles: services that must run; those missing on a shared server are started.
        first: those of `roles` that sources wait for, and that other services leave a busy machine to; empty = all.
        workers: processes of a role; 1 unless given.
        seconds: ends the pipeline after so long; None = when all sources have ended.
        on_ready: called when all services run.
        on_event: called with every event of the sources.
        on_end: called once everything is settled, while sources and services are still there, and told whether a
            signal ended the pipeline.
        director: runs beside the pipeline; its end ends the pipeline.
        endless: a service that is down never ends the pipeline; it is tried again.
    """

    specs: Sequence[SourceSpec]
    lengths_s: Sequence[float | None]
    roles: Sequence[str] = ROLES
    first: Sequence[str] = ()
    workers: dict[str, int] = field(default_factory=dict)
    seconds: float | None = None
    on_ready: Callable[[], None] | None = None
    on_event: Callable[[Event], None] | None = None
    on_end: Callable[[Bus, bool], Coroutine[Any, Any, None]] | None = None
    director: Callable[[Bus], Coroutine[Any, Any, None]] | None = None
    endless: bool = False


def deciding_first(specs: Sequence[SourceSpec], generator: GeneratorSettings) -> tuple[str, ...]:
    """`PipelinePlan.first` of sources that are decided about without a generator.

    Requests wait in their stream for a generator that loads within seconds; one that takes longer, or maybe, has to be
    there before a live source starts, because its requests expire.
    """
    decided_alone = all(spec.mode == "coach" and spec.speak.strategy != "llm" for spec in specs)
    starts_fast = generator.backend in ("echo", "openai") or (
        generator.backend == "mobile_videogpt"
        and not generator.adapters
        and Path(generator.model or bundled("coach")).parent == bundled()
    )
    return DECIDING if decided_alone and starts_fast else ()


@dataclass
class SourceProgress:
    """Progress of one source.

    Attributes:
        last_id: id of the newest event that was shown.
        state: last state that capture reported.
        reached: the last state before the pipeline began to stop it.
        fault: the last reason that capture gave for pictures that do not come; "" = none.
        pts_s: media time of the newest decision, seconds.
        feedbacks: feedback with text so far.
    """

    spec: SourceSpec
    last_id: str
    length_s: float | None
    counts: SourceCounts = field(default_factory=SourceCounts)
    state: str = ""
    reached: str = ""
    fault: str = ""
    pts_s: float = 0.0
    feedbacks: int = 0

    @property
    def over(self) -> bool:
        return self.state in OVER
