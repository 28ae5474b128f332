"""Feedback as Python gets it: from the services by `subscribe`, and in one process from `Coach`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cornerman_shared.bus.messages import Action


@dataclass(frozen=True, slots=True)
class Feedback:
    """Feedback about one moment of a source.

    Attributes:
        event_id: pass it as `since` to continue after this feedback; empty from a `Coach`.
        pts_s: the moment it is about, seconds since the start of the source's run.
        latency_ms: milliseconds of each stage, and `total`.
        picture_age_s: age of its newest picture when it was asked for, seconds; 0 = unknown.
        said_by: `owner`: a sentence of the owner of an exercise, about a mistake or for praise.
    """

    event_id: str
    source_id: str
    request_id: str
    action: Action
    pts_s: float
    text: str
    model: str
    ttft_ms: float
    latency_ms: dict[str, float]
    picture_age_s: float = 0.0
    said_by: Literal["model", "owner"] = "model"
