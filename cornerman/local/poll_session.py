"""A session of polls as data, and its summary. Pure; `poll_files` writes it."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cornerman.local.poll_records import PARTS, PollRecord, spread

MOST_CAUSE: Final = 200
"""Characters of a cause by which errors are counted."""


@dataclass
class PollSession:
    """Everything that is known of one session.

    Attributes:
        session_id: its start, as in the names of its files.
        start_time: unix seconds; `end_time` as well.
        video_source: without secrets.
        settings: what was asked for, by name, for people.
        polls: in order of their ends.
        skipped: polls that were due and not asked, by reason.
        unfinished: polls that had no answer yet when the session ended.
        captured: frames of the source.
        gpu_memory: bytes by name, summed over the workers; None = no GPU.
        workers: back end, model and device of each role that reported them.
        thumbnails: JPEG of a poll's newest frame, by `poll_index`.
    """

    session_id: str
    start_time: float
    video_source: str
    prompt: str
    polling_interval: float
    settings: dict[str, Any] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    end_time: float = 0.0
    polls: list[PollRecord] = field(default_factory=list)
    warmup_polls: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    unfinished: int = 0
    captured: int = 0
    gpu_memory: dict[str, int] | None = None
    workers: dict[str, dict[str, str]] = field(default_factory=dict)
    thumbnails: dict[int, bytes] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """The figures of the session, with those of each interval where there were several."""
        intervals = dict.fromkeys(poll.polling_interval for poll in self.polls)
        parts = {
            f"{interval:g}": poll_statistics([poll for poll in self.polls if poll.polling_interval == interval])
            for interval in intervals
        }
        return {
            "session_id": self.session_id,
            "start_time": self.start_time,
            "end_time": self.end_time,
            "duration_seconds": round(max(0.0, self.end_time - self.start_time), 3),
            "video_source": self.video_source,
            "prompt": self.prompt,
            "polling_interval": self.polling_interval,
            **poll_statistics(self.polls),
            "warmup_polls": self.warmup_polls,
            "skipped_polls": sum(self.skipped.values()),
            "skipped_by_reason": dict(self.skipped),
            "unfinished_polls": self.unfinished,
            "gpu_memory": self.gpu_memory,
            "intervals": parts,
            "settings": self.settings,
            "workers": self.workers,
            "machine": self.machine,
        }

    def metrics(self) -> dict[str, Any]:
        """Every poll, and the summary."""
        failed = [poll for poll in self.polls if not poll.done]
        return {
            "session_id": self.session_id,
            "start_time": self.start_time,
            "end_time": self.end_time,
            "video_source": self.video_source,
            "prompt": self.prompt,
            "polling_interval": self.polling_interval,
            "total_polls": len(self.polls),
            "successful_polls": len(self.polls) - len(failed),
            "failed_polls": len(failed),
            "inference_metrics": [poll.to_dict() for poll in self.polls if poll.done],
            "errors": [error_of(poll) for poll in failed],
            "summary": self.summary(),
        }


def error_of(poll: PollRecord) -> dict[str, Any]:
    """A poll without an answer, as the file of metrics has it."""
    return {
        "poll_index": poll.poll_index,
        "timestamp": poll.timestamp,
        "error": poll.cause or poll.status,
        "status": poll.status,
        "pts_s": poll.pts_s,
        "total_inference_time": poll.total_inference_time,
    }


def poll_statistics(polls: Sequence[PollRecord]) -> dict[str, Any]:
    """Counts, and statistics over the polls with an answer. Times are milliseconds, `success_rate` is per cent."""
    done = [poll for poll in polls if poll.done]
    causes = Counter((poll.cause or poll.status)[:MOST_CAUSE] for poll in polls if not poll.done)

    def milliseconds(name: str) -> dict[str, float | None]:
        return spread([value * 1000 for poll in done if (value := getattr(poll, name)) is not None])

    return {
        "total_polls": len(polls),
        "successful_polls": len(done),
        "failed_polls": len(polls) - len(done),
        "success_rate": round(100 * len(done) / len(polls), 2) if polls else None,
        "errors_by_cause": dict(causes),
        "repeated_polls": sum(poll.repeats is not None for poll in done),
        "latency_ms": milliseconds("total_inference_time"),
        "time_to_first_token_ms": milliseconds("time_to_first_token"),
        "parts_ms": {name: milliseconds(name) for name in PARTS},
        "tokens_per_second": spread([poll.tokens_per_second for poll in done if poll.tokens_per_second is not None]),
        "measured_interval_s": spread(gaps_s(polls)),
        "total_input_tokens": sum(poll.input_tokens for poll in done),
        "total_output_tokens": sum(poll.output_tokens for poll in done),
        "total_cost": round(sum(poll.cost for poll in done), 6),
        "polls_with_guessed_tokens": sum(poll.tokens_guessed for poll in done),
    }


def gaps_s(polls: Sequence[PollRecord]) -> list[float]:
    """Seconds of media time between polls in a row of one interval, without those where the source started again."""
    ordered = sorted(polls, key=lambda poll: poll.poll_index)
    pairs = itertools.pairwise(ordered)
    gaps = [b.pts_s - a.pts_s for a, b in pairs if a.polling_interval == b.polling_interval]
    return [round(gap, 3) for gap in gaps if gap > 0]


def benchmark_rows(session: PollSession) -> list[dict[str, Any]]:
    """One flat row an interval, for a table."""
    rows = []
    for interval, found in session.summary()["intervals"].items():
        latency, first = found["latency_ms"], found["time_to_first_token_ms"]
        rows.append(
            {
                "polling_interval": float(interval),
                "measured_interval_s": found["measured_interval_s"]["mean"],
                "num_polls": found["total_polls"],
                "failed_polls": found["failed_polls"],
                **{f"latency_{name}_ms": latency[name] for name in ("mean", "median", "p95", "min", "max")},
                **{f"ttft_{name}_ms": first[name] for name in ("mean", "median", "p95")},
                "tokens_per_second": found["tokens_per_second"]["mean"],
                "total_output_tokens": found["total_output_tokens"],
            }
        )
    return rows
