"""Sources that gave no picture while a command watched them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cornerman.local.pipeline_plan import SourceProgress


def unseen_sources(
    sources: Iterable[SourceProgress], seconds: float | None, *, interrupted: bool = False
) -> dict[str, str]:
    """Why no picture came of a source, and what to do, by source id; sources with a picture are left out.

    Args:
        seconds: the time that the command had; None = no limit.
        interrupted: by a signal; then a source that was still opening is left out, too.
    """
    return {
        source.spec.source_id: unseen_because(source.fault, source.reached, seconds)
        for source in sources
        if not source.counts.captured and (source.fault or not interrupted)
    }


def unseen_because(fault: str, state: str, seconds: float | None) -> str:
    """The sentence about one source.

    >>> unseen_because("cam: the connection was refused", "reconnecting", 3.0)
    'no picture came within 3 s: cam: the connection was refused; check the source, or allow it more time'
    """
    within = "" if seconds is None else f" within {seconds:g} s"
    why = fault or ("it ended without one" if state == "ended" else f"it was still {state or 'waiting'}")
    remedy = "check the source" if state in ("ended", "failed") else "check the source, or allow it more time"
    return f"no picture came{within}: {why}" + (f" C{remedy[1:]}" if why.endswith(("?", ".")) else f"; {remedy}")


def unseen_line(source_id: str, why: str) -> dict[str, Any]:
    """The JSON object of such a source."""
    return {"type": "error", "source_id": source_id, "stage": "capture", "message": why}
