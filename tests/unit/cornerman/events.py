"""Events for tests, with fields to change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cornerman_shared.bus.messages import DecisionEvent, EndEvent, Times

TIMES = Times(
    captured_at_s=100.0,
    published_at_s=100.010,
    encoded_at_s=100.110,
    decided_at_s=100.120,
    first_token_at_s=100.420,
    done_at_s=101.0,
)

_END = EndEvent(
    source_id="cam1",
    run="r1",
    request_id="cam1:r1:4",
    attempt=1,
    kind="feedback",
    action="correct",
    status="done",
    pts_s=2.5,
    prompt="?",
    text="Lower your hips.",
    silent=False,
    cause="",
    model="coach",
    n_input_tokens=1300,
    n_output_tokens=5,
    ttft_ms=300.0,
    times=TIMES,
    picture_age_s=0.12,
)

_DECISION = DecisionEvent(
    source_id="cam1",
    run="r1",
    seq=4,
    pts_s=2.5,
    action="correct",
    confidence=0.9,
    reason="head",
    strategy="head",
    motion=0.1,
    status="ok",
    times=TIMES,
)


def end_event(**changes: Any) -> EndEvent:
    """The end of a request that gave feedback."""
    return replace(_END, **changes)


def decision_event(**changes: Any) -> DecisionEvent:
    """A decision to speak."""
    return replace(_DECISION, **changes)
