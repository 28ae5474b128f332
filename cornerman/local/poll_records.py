"""Measurements of `cornerman poll`: a record per poll, and statistics over them. Pure.

Each stage's time is measured by the process that spent it.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cornerman.local.event_lines import latency_ms
from cornerman_shared.bus.messages import EndEvent

PREVIEW = 80


@dataclass(frozen=True, slots=True)
class PollRecord:
    """Times of one request, from the newest frame to the last word. `*_ms`: milliseconds spent in a stage.

    `capture_ms` is choosing and packing the frames, `encode_ms` waiting for an encoder and encoding, `decide_ms` the
    decider, `first_token_ms` waiting for a generator and its first token, `generate_ms` the rest of the text.
    `ttft_ms` is from the moment a generator took the request.
    """

    index: int
    interval_s: float
    at_s: float
    pts_s: float
    status: str
    capture_ms: float
    encode_ms: float
    decide_ms: float
    first_token_ms: float
    generate_ms: float
    ttft_ms: float
    total_ms: float
    n_input_tokens: int
    n_output_tokens: int
    tokens_per_s: float
    n_characters: int
    preview: str
    cause: str
    cost: float = 0.0
    tokens_guessed: bool = False

    @classmethod
    def of(cls, event: EndEvent, index: int, interval_s: float) -> PollRecord:
        """The record of a request that ended."""
        spent = latency_ms(event.times)
        generate_ms = spent.get("done", 0.0) if "first_token" in spent else 0.0
        # The rate is over the tokens after the first, whose time is the TTFT.
        later_tokens = event.n_output_tokens - 1
        return cls(
            index=index,
            interval_s=interval_s,
            at_s=event.times.done_at_s,
            pts_s=round(event.pts_s, 3),
            status=event.status,
            capture_ms=spent.get("published", 0.0),
            encode_ms=spent.get("encoded", 0.0),
            decide_ms=spent.get("decided", 0.0),
            first_token_ms=spent.get("first_token", 0.0),
            generate_ms=generate_ms,
            ttft_ms=round(event.ttft_ms, 1),
            total_ms=spent.get("total", 0.0),
            n_input_tokens=event.n_input_tokens,
            n_output_tokens=event.n_output_tokens,
            tokens_per_s=round(later_tokens / generate_ms * 1000, 2) if later_tokens > 0 and generate_ms > 0 else 0.0,
            n_characters=len(event.text),
            preview=" ".join(event.text.split())[:PREVIEW],
            cause=event.cause,
            cost=event.cost,
            tokens_guessed=event.tokens_guessed,
        )

    def to_dict(self) -> dict[str, Any]:
        return {"type": "poll", **asdict(self)}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean, median, min, max and standard deviation; zeros without values."""
    if not values:
        return dict.fromkeys(("mean", "median", "min", "max", "std"), 0.0)
    figures = {
        "mean": statistics.fmean(values),
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "std": statistics.pstdev(values),
    }
    return {name: round(value, 2) for name, value in figures.items()}


def poll_statistics(polls: Sequence[PollRecord]) -> dict[str, Any]:
    """Statistics over the polls that gave text."""
    done = [poll for poll in polls if poll.status == "done"]
    times = ("total_ms", "ttft_ms", "encode_ms", "first_token_ms", "generate_ms")
    return {
        "polls": len(polls),
        "done": len(done),
        "success_rate": round(len(done) / len(polls), 4) if polls else 0.0,
        "errors": [poll.cause for poll in polls if poll.status == "failed"],
        **{name: spread([getattr(poll, name) for poll in done]) for name in times},
        "tokens_per_s": spread([poll.tokens_per_s for poll in done if poll.tokens_per_s]),
        "n_input_tokens": sum(poll.n_input_tokens for poll in done),
        "n_output_tokens": sum(poll.n_output_tokens for poll in done),
        "cost": round(sum(poll.cost for poll in done), 6),
        "tokens_guessed": sum(poll.tokens_guessed for poll in done),
    }


def by_interval(polls: Sequence[PollRecord]) -> dict[str, Any]:
    """`poll_statistics` of each interval; the key is the interval in seconds as text."""
    intervals = dict.fromkeys(poll.interval_s for poll in polls)
    return {f"{one:g}": poll_statistics([poll for poll in polls if poll.interval_s == one]) for one in intervals}
