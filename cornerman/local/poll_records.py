"""Measurements of `cornerman poll`: a record per poll, and statistics over them. Pure.

Names and units are those of the polling tool that this command replaces: seconds for `*_time`, milliseconds in
statistics. Each time is measured by the process that spent it; what was not measured is None, never 0.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from cornerman_shared.bus.messages import EndEvent, Times

PREVIEW: Final = 200
"""Characters of an answer in its preview."""

PARTS: Final = (
    *("frame_extraction_time", "preprocessing_time", "encoding_time"),
    *("time_to_first_token", "generation_time", "waiting_time"),
)
"""The measured parts of `total_inference_time`; they add up to it."""

STATISTICS: Final = ("mean", "median", "p95", "min", "max", "std")


@dataclass(frozen=True, slots=True)
class PollRecord:
    """One poll, from its newest frame to its last word.

    Attributes:
        poll_index: from 0, in order of the answers.
        timestamp: when the newest frame was captured, unix seconds.
        pts_s: media time of the newest frame, seconds.
        polling_interval: seconds between polls that were asked for.
        status: `done`, or how it ended without an answer.
        frame_extraction_time: from the newest frame to the poll's frames on the bus.
        preprocessing_time: making pixels for the vision half, and the input of the model that answers.
        encoding_time: the vision half itself.
        time_to_first_token: from the moment that the model was asked to its first text on the way to people.
        generation_time: from the first token to the last.
        waiting_time: the rest: for a free encoder, the decider, a free generator, the bus.
        total_inference_time: from the newest frame to the end of the answer.
        tokens_per_second: tokens after the first, over the time from the first token to the last.
        frames_processed: pictures that the answer is about.
        buffer_size: different frames among them, which is what capture held for the poll.
        response_length: characters.
        cause: why it was not answered.
        cost: price of its tokens; 0 = unknown.
        tokens_guessed: the model's server counted nothing, so pieces of text were counted.
        repeats: `poll_index` of an earlier poll with the same words.
    """

    poll_index: int
    timestamp: float
    pts_s: float
    polling_interval: float
    status: str
    frame_extraction_time: float | None
    preprocessing_time: float | None
    encoding_time: float | None
    time_to_first_token: float | None
    generation_time: float | None
    waiting_time: float | None
    total_inference_time: float | None
    input_tokens: int
    output_tokens: int
    tokens_per_second: float | None
    frames_processed: int
    buffer_size: int
    response_length: int
    response_preview: str
    response: str
    cause: str = ""
    cost: float = 0.0
    tokens_guessed: bool = False
    repeats: int | None = None

    @classmethod
    def of(cls, event: EndEvent, index: int, interval_s: float, *, repeats: int | None = None) -> PollRecord:
        """The record of a poll that ended."""
        times, text = event.times, " ".join(event.text.split())
        total = _between(times.captured_at_s, times.done_at_s)
        prepare_s = event.prepare_ms / 1000 if event.ttft_ms else 0.0
        first = max(0.0, event.ttft_ms / 1000 - prepare_s) if event.ttft_ms else None
        pixels = _between(times.begun_at_s, times.prepared_at_s)
        parts = {
            "frame_extraction_time": _between(times.captured_at_s, times.published_at_s),
            "preprocessing_time": pixels + prepare_s if pixels is not None else prepare_s or None,
            "encoding_time": _encoding_time(times),
            "time_to_first_token": first,
            "generation_time": _between(times.first_token_at_s, times.last_token_at_s or times.done_at_s),
        }
        spent = sum(part for part in parts.values() if part is not None)
        return cls(
            poll_index=index,
            timestamp=times.captured_at_s or times.done_at_s,
            pts_s=round(event.pts_s, 3),
            polling_interval=interval_s,
            status=event.status,
            **{name: _rounded(part) for name, part in parts.items()},
            waiting_time=_rounded(max(0.0, total - spent) if total is not None else None),
            total_inference_time=_rounded(total),
            input_tokens=event.n_input_tokens,
            output_tokens=event.n_output_tokens,
            tokens_per_second=round(event.tokens_per_s, 2) if event.tokens_per_s > 0 else None,
            frames_processed=len(event.frame_pts_s),
            buffer_size=len(set(event.frame_pts_s)),
            response_length=len(event.text),
            response_preview=text if len(text) <= PREVIEW else f"{text[:PREVIEW]}...",
            response=event.text,
            cause=event.cause,
            cost=event.cost,
            tokens_guessed=event.tokens_guessed,
            repeats=repeats,
        )

    @property
    def done(self) -> bool:
        """Whether it got an answer."""
        return self.status == "done"

    def to_dict(self) -> dict[str, Any]:
        return {"type": "poll", **asdict(self)}


def _encoding_time(times: Times) -> float | None:
    """From prepared pixels to features; from the chunk on the bus, where an older encoder measured no more."""
    return _between(times.prepared_at_s or times.begun_at_s or times.published_at_s, times.encoded_at_s)


def _between(start_s: float, end_s: float) -> float | None:
    """Seconds between two stages; None if one was not reached or not measured."""
    return max(0.0, end_s - start_s) if start_s > 0 and end_s > 0 else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """`STATISTICS` of the values; None without values. `p95` is the nearest rank, `std` that of a sample."""
    if not values:
        return dict.fromkeys(STATISTICS)
    ordered = sorted(values)
    figures = {
        "mean": statistics.fmean(ordered),
        "median": statistics.median(ordered),
        "p95": ordered[math.ceil(0.95 * len(ordered)) - 1],
        "min": ordered[0],
        "max": ordered[-1],
        "std": statistics.stdev(ordered) if len(ordered) > 1 else 0.0,
    }
    return {name: round(value, 3) for name, value in figures.items()}
