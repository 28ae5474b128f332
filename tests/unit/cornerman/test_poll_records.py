"""Records of polls, sessions and their summaries."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cornerman.local.poll_records import PARTS, PREVIEW, PollRecord, spread
from cornerman.local.poll_session import PollSession, benchmark_rows
from cornerman_shared.bus.messages import Times
from tests.unit.cornerman.events import end_event

TIMES = Times(
    captured_at_s=10.0,
    published_at_s=10.1,
    begun_at_s=10.15,
    prepared_at_s=10.2,
    encoded_at_s=10.45,
    decided_at_s=10.5,
    started_at_s=10.55,
    first_token_at_s=10.8,
    last_token_at_s=11.3,
    done_at_s=11.31,
)
END = end_event(
    text="Keep  your\nback straight.",
    n_output_tokens=11,
    ttft_ms=250.0,
    times=TIMES,
    tokens_per_s=20.0,
    frame_pts_s=tuple(n / 4 for n in range(16)),
)


def record(index: int, interval_s: float = 3.0, pts_s: float = 0.0, **changes: object) -> PollRecord:
    return PollRecord.of(replace(END, pts_s=pts_s, **changes), index, interval_s)


def session(*polls: PollRecord) -> PollSession:
    return PollSession("20261126_031500", 100.0, "squat.mp4", "How?", 3.0, polls=list(polls), end_time=160.0)


def test_each_part_is_measured() -> None:
    poll = PollRecord.of(END, 3, 2.0)
    assert (poll.poll_index, poll.polling_interval, poll.status, poll.timestamp) == (3, 2.0, "done", 10.0)
    parts = [getattr(poll, name) for name in PARTS]
    assert parts[:5] == pytest.approx([0.1, 0.05, 0.25, 0.25, 0.5])
    assert poll.total_inference_time == pytest.approx(1.31)
    assert sum(parts) == pytest.approx(poll.total_inference_time)
    assert poll.tokens_per_second == 20.0
    assert (poll.frames_processed, poll.input_tokens, poll.output_tokens) == (16, END.n_input_tokens, 11)
    assert record(0, frame_pts_s=(1.0, 1.0, 2.0, 2.0)).buffer_size == 2


def test_input_is_not_the_model_s_time() -> None:
    poll = record(0, prepare_ms=100.0)
    assert (poll.time_to_first_token, poll.preprocessing_time) == pytest.approx((0.15, 0.15))
    assert sum(getattr(poll, name) for name in PARTS) == pytest.approx(poll.total_inference_time)
    assert record(0, prepare_ms=100.0, times=Times(10.0, 10.1, done_at_s=11.0)).preprocessing_time == 0.1


def test_preview_is_two_hundred_characters() -> None:
    short, long = record(0), record(1, text="word " * 100)
    assert short.response_preview == "Keep your back straight."
    assert short.response_length == len(END.text)
    assert (len(long.response_preview), long.response_preview[-3:]) == (PREVIEW + 3, "...")
    assert long.response == "word " * 100


def test_unmeasured_is_none_not_zero() -> None:
    old = record(0, times=Times(10.0, 10.1, 10.3, 10.35, 10.65, 11.15), tokens_per_s=0.0)  # an older worker's
    assert (old.preprocessing_time, old.tokens_per_second) == (None, None)
    assert (old.encoding_time, old.generation_time) == pytest.approx((0.2, 0.5))
    expired = record(1, status="expired", ttft_ms=0.0, times=Times(10.0, 10.1, done_at_s=11.0))
    assert (expired.time_to_first_token, expired.generation_time, expired.encoding_time) == (None, None, None)
    assert expired.total_inference_time == 1.0
    without = record(2, status="failed", ttft_ms=0.0, times=Times(done_at_s=11.0))
    assert (without.total_inference_time, without.waiting_time, without.timestamp) == (None, None, 11.0)


def test_statistics_skip_failed_polls() -> None:
    failed = record(1, status="failed", cause="boo", ttft_ms=0.0, times=Times(0.0, 100.0))
    figures = session(record(0), failed, replace(failed, poll_index=2)).summary()
    assert (figures["total_polls"], figures["successful_polls"], figures["failed_polls"]) == (3, 1, 2)
    assert figures["success_rate"] == 33.33
    assert figures["errors_by_cause"] == {"boo": 2}
    assert figures["latency_ms"]["max"] == pytest.approx(1310.0)
    assert figures["time_to_first_token_ms"]["p95"] == 250.0
    assert figures["parts_ms"]["encoding_time"]["mean"] == pytest.approx(250.0)
    assert (figures["total_output_tokens"], figures["duration_seconds"]) == (11, 60.0)


def test_metrics_keep_the_old_names() -> None:
    failed = record(1, status="failed", cause="boo")
    metrics = session(record(0), failed).metrics()
    (poll,) = metrics["inference_metrics"]
    assert poll.keys() >= {
        *("poll_index", "timestamp", "frame_extraction_time", "preprocessing_time", "encoding_time"),
        *("generation_time", "time_to_first_token", "total_inference_time", "input_tokens", "output_tokens"),
        *("tokens_per_second", "frames_processed", "buffer_size", "response_length", "response_preview"),
    }
    (error,) = metrics["errors"]
    assert (error["poll_index"], error["error"]) == (1, "boo")
    assert metrics.keys() >= {"session_id", "start_time", "end_time", "video_source", "prompt", "polling_interval"}
    assert metrics["summary"]["latency_ms"].keys() == {"mean", "median", "p95", "min", "max", "std"}


def test_no_polls_have_no_figures() -> None:
    figures = session().summary()
    assert (figures["total_polls"], figures["success_rate"], figures["gpu_memory"]) == (0, None, None)
    assert set(figures["latency_ms"].values()) == {None}
    assert figures["intervals"] == {}


def test_intervals_are_apart() -> None:
    polls = [record(n, 1.0, float(n)) for n in range(3)] + [record(3 + n, 2.5, 10 + 2.5 * n) for n in range(2)]
    rows = benchmark_rows(session(*polls))
    assert [(row["polling_interval"], row["num_polls"], row["measured_interval_s"]) for row in rows] == [
        (1.0, 3, 1.0),
        (2.5, 2, 2.5),
    ]
    assert rows[0]["latency_p95_ms"] == pytest.approx(1310.0)
    assert rows[1]["total_output_tokens"] == 22


def test_looped_source_is_no_gap() -> None:
    polls = [record(0, pts_s=57.0), record(1, pts_s=60.0), record(2, pts_s=3.0), record(3, pts_s=6.0)]
    assert session(*polls).summary()["measured_interval_s"]["max"] == 3.0


def test_spread_is_of_a_sample() -> None:
    assert set(spread([]).values()) == {None}
    assert spread([2.0]) == {"mean": 2.0, "median": 2.0, "p95": 2.0, "min": 2.0, "max": 2.0, "std": 0.0}
    found = spread([float(n) for n in range(1, 41)])
    assert (found["p95"], found["median"]) == (38.0, 20.5)
    assert found["std"] == pytest.approx(11.69, abs=0.01)
