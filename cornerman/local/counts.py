"""Counters of a run: the summary line, and the equations they must satisfy. Pure.

Every chunk that was due was published or dropped for a reason, every published chunk was decided or buried,
and every request ended as feedback, error or expired.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from cornerman_shared.bus.streams import counters_of

DROPPED = "dropped:"


@dataclass(frozen=True, slots=True)
class SourceCounts:
    """Counters of one source. `captured` and `sampled` count frames; the others count chunks, then requests."""

    captured: int = 0
    sampled: int = 0
    due: int = 0
    published: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    decided: int = 0
    buried: int = 0
    requests: int = 0
    feedback: int = 0
    errors: int = 0
    expired: int = 0

    @classmethod
    def of(cls, counters: Mapping[bytes, bytes]) -> SourceCounts:
        """Reads the counters hash of the bus.

        Cancelled and declined requests count as expired: they end without text. A chunk that was lost on its way counts
        as decided: its decision reports the loss.
        """
        got = counters_of(counters)
        plain = ("captured", "sampled", "due", "published", "decided", "requests", "feedback", "errors")
        return cls(
            **{name: got.get(name, 0) for name in plain},
            dropped={name[len(DROPPED) :]: count for name, count in sorted(got.items()) if name.startswith(DROPPED)},
            buried=got.get("buried", 0),
            expired=got.get("expired", 0) + got.get("cancelled", 0) + got.get("declined", 0),
        )

    @property
    def unfinished(self) -> tuple[int, int]:
        """Chunks published but not decided, and requests not ended."""
        return (
            self.published - self.decided - self.buried,
            self.requests - self.feedback - self.errors - self.expired,
        )

    def problems(self) -> list[str]:
        """One sentence per equation that does not hold."""
        chunks, requests = self.unfinished
        found = []
        dropped = sum(self.dropped.values())
        if self.due != self.published + dropped:
            found.append(f"{self.due} chunks due, but {self.published} published + {dropped} dropped")
        if chunks:
            found.append(f"{self.published} published, but {self.decided} decided + {self.buried} buried")
        if requests:
            found.append(
                f"{self.requests} requests, but {self.feedback} feedback + {self.errors} errors "
                f"+ {self.expired} expired"
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def summary_line(
    wall_s: float, counts: Mapping[str, SourceCounts], unseen: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any]:
    """The last JSON object of a run.

    Args:
        counts: by source id.
        unseen: why a source gave no picture, by source id; the object has it only where there is one.
    """
    sources = {source_id: one.to_dict() for source_id, one in counts.items()}
    line: dict[str, Any] = {"type": "summary", "wall_s": round(wall_s, 3), "sources": sources}
    return {**line, "unseen": dict(unseen)} if unseen else line
