"""Records of polls, and statistics over them."""

from dataclasses import replace

import pytest

from cornerman.local.mode_settings import mode_settings
from cornerman.local.poll_records import PollRecord, by_interval, poll_statistics, spread
from cornerman.local.poll_series import PRESET
from cornerman_shared.bus.messages import Times
from cornerman_shared.settings.tree import load_settings
from tests.unit.cornerman.events import end_event

END = end_event(
    text="Keep  your\nback straight.",
    n_output_tokens=11,
    ttft_ms=250.0,
    times=Times(10.0, 10.1, 10.3, 10.35, 10.65, 11.15),
)


def test_each_stage_has_its_time() -> None:
    poll = PollRecord.of(END, 3, 2.0)
    assert (poll.index, poll.interval_s, poll.status) == (3, 2.0, "done")
    stages = (poll.capture_ms, poll.encode_ms, poll.decide_ms, poll.first_token_ms, poll.generate_ms)
    assert stages == (100.0, 200.0, 50.0, 300.0, 500.0)
    assert poll.total_ms == pytest.approx(sum(stages))
    assert poll.ttft_ms == 250.0
    assert poll.tokens_per_s == 20.0  # the 10 tokens after the first, in half a second
    assert poll.preview == "Keep your back straight."


def test_unknown_rate_is_zero() -> None:
    assert PollRecord.of(replace(END, n_output_tokens=1), 0, 1.0).tokens_per_s == 0.0
    silent = PollRecord.of(replace(END, times=Times(10.0, 10.1, done_at_s=11.0), status="expired"), 0, 1.0)
    assert (silent.tokens_per_s, silent.first_token_ms) == (0.0, 0.0)


def test_statistics_skip_failed_polls() -> None:
    failed = replace(END, status="failed", cause="boo", times=Times(0.0, 100.0))
    polls = [PollRecord.of(END, 0, 1.0), PollRecord.of(failed, 1, 1.0)]
    figures = poll_statistics(polls)
    assert (figures["polls"], figures["done"], figures["success_rate"]) == (2, 1, 0.5)
    assert figures["errors"] == ["boo"]
    assert figures["total_ms"]["max"] == 1150.0
    assert figures["n_output_tokens"] == 11


def test_statistics_by_interval() -> None:
    polls = [PollRecord.of(END, 0, 1.0), PollRecord.of(END, 1, 2.5), PollRecord.of(END, 2, 2.5)]
    assert {name: one["polls"] for name, one in by_interval(polls).items()} == {"1": 1, "2.5": 2}


def test_spread_of_nothing_is_zero() -> None:
    assert spread([]) == {"mean": 0.0, "median": 0.0, "min": 0.0, "max": 0.0, "std": 0.0}
    assert spread([1.0, 2.0, 6.0]) == {"mean": 3.0, "median": 2.0, "min": 1.0, "max": 6.0, "std": 2.16}


def test_presets_are_valid_settings() -> None:
    polling = load_settings(PRESET)
    assert (polling.speak.strategy, polling.watch.look, polling.watch.frames) == ("interval", "poll", 16)
    commentary = load_settings(mode_settings("commentary"))
    assert (commentary.speak.strategy, commentary.watch.look, commentary.watch.frames) == ("scene", "stride", 8)
