"""`cornerman demo` and `cornerman run`, as a stranger types them: real processes from a video to words and counts."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.e2e.commands import FAKES, FAST, Command, adds_up


def test_the_demo_ends_by_itself_with_feedback_and_counts_that_add_up(cornerman: Callable[..., Command]) -> None:
    ended = cornerman("demo", "--headless", "--json", *FAST).end()
    assert ended.code == 0, ended.errors
    (counts,) = ended.sources.values()
    adds_up(counts)
    assert counts["captured"] > 100
    assert counts["feedback"] > 0
    assert len(ended.of("decision")) == counts["decided"] + counts["buried"]
    assert len(ended.of("feedback")) == counts["feedback"]
    spoken = [said for said in ended.of("feedback") if not said.get("silent")]
    assert spoken
    for said in spoken:
        assert said["text"]
        assert said["ttft_ms"] > 0
        assert {"published", "encoded", "decided", "first_token", "total"} <= set(said["latency_ms"])


def test_a_lossless_run_decides_every_chunk_in_order(cornerman: Callable[..., Command]) -> None:
    line = ("run", "test://pattern?seconds=20", "--id", "a", "--lossless", "--strategy", "interval", "--json")
    ended = cornerman(*line, "--encoders", "2", *FAKES, *FAST).end()
    assert ended.code == 0, ended.errors
    counts = ended.sources["a"]
    adds_up(counts)
    assert counts["dropped"] == {} or sum(counts["dropped"].values()) == 0
    assert counts["captured"] == 600
    assert [line["seq"] for line in ended.of("decision")] == list(range(counts["due"]))
    assert counts["feedback"] >= 5


def test_several_sources_are_told_apart(cornerman: Callable[..., Command]) -> None:
    line = ("run", "test://pattern?seconds=5", "test://pattern?seconds=4&seed=2", "--lossless", "--json")
    ended = cornerman(*line, *FAKES, *FAST).end()
    assert ended.code == 0, ended.errors
    assert set(ended.sources) == {"pattern", "pattern-2"}
    for counts in ended.sources.values():
        adds_up(counts)
        assert counts["decided"] > 5


def test_text_for_people_goes_to_stdout(cornerman: Callable[..., Command]) -> None:
    command = cornerman("run", "test://pattern?seconds=6", "--lossless", "--prompt", "Hello there", *FAKES, *FAST)
    out, errors = command.process.communicate(timeout=100)
    assert command.process.returncode == 0, errors
    assert "Hello there" in out
    assert "feedback" in out
    assert "Traceback" not in errors


def test_a_file_that_is_no_video_is_an_error_and_exits_with_66(
    cornerman: Callable[..., Command], tmp_path: Path
) -> None:
    (tmp_path / "notes.mp4").write_text("this is not a video")
    ended = cornerman("run", "notes.mp4", "--json", *FAKES, *FAST).end()
    assert ended.code == 66
    (error,) = ended.of("error")
    assert (error["source_id"], error["stage"]) == ("notes", "capture")
    assert error["message"]
    adds_up(ended.sources["notes"])


def test_ctrl_c_drains_and_exits_with_0_within_ten_seconds(cornerman: Callable[..., Command]) -> None:
    line = ("run", "test://pattern?seconds=0", "--id", "live", "--strategy", "interval", "--json")
    command = cornerman(*line, *FAKES, *FAST)
    command.read_until("feedback")
    children = psutil.Process(command.process.pid).children(recursive=True)
    assert len(children) >= 5
    began = time.monotonic()
    command.process.send_signal(signal.SIGINT)
    ended = command.end(within_s=15)
    assert time.monotonic() - began < 10
    assert ended.code == 0, ended.errors
    adds_up(ended.sources["live"])
    _, alive = psutil.wait_procs(children, timeout=2)
    assert alive == []


def test_ctrl_c_while_the_services_start_ends_in_order_too(cornerman: Callable[..., Command], tmp_path: Path) -> None:
    command = cornerman("run", "test://pattern?seconds=0", "--json", *FAKES, *FAST)
    while not psutil.Process(command.process.pid).children(recursive=True):
        time.sleep(0.01)
    while not (tmp_path / "run" / "owner.json").exists():
        time.sleep(0.01)
    time.sleep(0.3)
    began = time.monotonic()
    command.process.send_signal(signal.SIGINT)
    ended = command.end(within_s=15)
    assert (ended.code, time.monotonic() - began < 10) == (0, True), ended.errors


def test_when_the_server_dies_with_all_it_held_the_run_ends_and_says_so(cornerman: Callable[..., Command]) -> None:
    command = cornerman("run", "test://pattern?seconds=0", "--json", *FAKES, *FAST)
    command.read_until("decision")
    the_server(command).kill()
    ended = command.end(within_s=30)
    assert ended.code == 70
    assert "embedded server was killed by SIGKILL, and what it held is lost" in ended.errors


def test_a_killed_server_that_keeps_its_data_is_started_again_and_nothing_is_lost(
    cornerman: Callable[..., Command], tmp_path: Path
) -> None:
    line = ("run", "test://pattern?seconds=60", "--id", "a", "--lossless", "--strategy", "interval", "--json")
    data = ("--set", f"redis.data_dir={tmp_path / 'data'}")
    command = cornerman(*line, *data, "--set", "bus.idle_ms=500", "--set", "bus.heartbeat_ms=100", *FAKES, *FAST)
    command.read_until("decision")
    the_server(command).kill()
    ended = command.end()
    assert ended.code == 0, ended.errors
    assert "starting it again" in ended.errors
    counts = ended.sources["a"]
    adds_up(counts)
    assert counts["decided"] == counts["due"] > 100


def the_server(command: Command) -> psutil.Process:
    (server,) = [
        child
        for child in psutil.Process(command.process.pid).children(recursive=True)
        if "--unixsocket" in child.cmdline() or "valkey-server" in child.name() or "redis-server" in child.name()
    ]
    return server


def test_seconds_ends_a_source_without_end(cornerman: Callable[..., Command]) -> None:
    line = ("run", "test://pattern?seconds=0", "--id", "live", "--seconds", "4", "--json")
    ended = cornerman(*line, *FAKES, *FAST).end()
    assert ended.code == 0, ended.errors
    adds_up(ended.sources["live"])
    assert 60 < ended.sources["live"]["captured"] < 240


def test_a_service_that_is_killed_is_started_again_and_nothing_is_lost(cornerman: Callable[..., Command]) -> None:
    line = ("run", "test://pattern?seconds=60", "--id", "a", "--lossless", "--strategy", "interval", "--json")
    command = cornerman(*line, "--set", "bus.idle_ms=500", "--set", "bus.heartbeat_ms=100", *FAKES, *FAST)
    command.read_until("decision")
    victims = [
        child
        for child in psutil.Process(command.process.pid).children(recursive=True)
        if any(f"services.{role}" in " ".join(child.cmdline()) for role in ("encoder", "generator"))
    ]
    assert len(victims) == 2
    for victim in victims:
        victim.kill()
    ended = command.end()
    assert ended.code == 0, ended.errors
    assert "was killed by SIGKILL; starting it again" in ended.errors
    counts = ended.sources["a"]
    adds_up(counts)
    assert counts["decided"] == counts["due"]


def test_a_service_that_cannot_start_ends_the_run_and_says_why(cornerman: Callable[..., Command]) -> None:
    line = ("run", "test://pattern", "--json", "--encoder", "mobile_videogpt", "--set", "encoder.model=./nowhere")
    ended = cornerman(*line, *FAST).end()
    assert ended.code == 70
    assert "encoder ended with exit code 78: a setting is wrong" in ended.errors
    assert "nowhere" in ended.errors


def test_two_runs_at_once_do_not_disturb_each_other(cornerman: Callable[..., Command]) -> None:
    line = ("run", "test://pattern?seconds=8", "--id", "same", "--lossless", "--json", *FAKES, *FAST)
    first, second = cornerman(*line), cornerman(*line)
    for ended in (first.end(), second.end()):
        assert ended.code == 0, ended.errors
        adds_up(ended.sources["same"])
        assert ended.sources["same"]["captured"] == 240


def test_run_uses_the_services_that_up_keeps(cornerman: Callable[..., Command], tmp_path: Path) -> None:
    up = cornerman(
        *("up", "--only", "capture", "--only", "encoder", "--only", "decider", "--only", "generator"), *FAKES, *FAST
    )
    assert up.process.stdout is not None
    assert any("running on" in line for line in up.process.stdout)
    services = len(psutil.Process(up.process.pid).children(recursive=True))
    run = cornerman("run", "test://pattern?seconds=5", "--id", "guest", "--lossless", "--json")
    run.read_until("decision")
    assert psutil.Process(run.process.pid).children(recursive=True) == []
    ended = run.end()
    assert ended.code == 0, ended.errors
    adds_up(ended.sources["guest"])
    assert len(psutil.Process(up.process.pid).children(recursive=True)) == services
    up.process.send_signal(signal.SIGTERM)
    _, errors = up.process.communicate(timeout=10)
    assert up.process.returncode == 0, errors


def test_polling_writes_its_figures(cornerman: Callable[..., Command], tmp_path: Path) -> None:
    line = ("poll", "test://pattern?seconds=60", "--benchmark", "--intervals", "1,2", "--polls-per-interval", "2")
    ended = cornerman(*line, "--json", "--output-dir", "figures", *FAKES, *FAST).end()
    assert ended.code == 0, ended.errors
    polls = json.loads((tmp_path / "figures" / "metrics.json").read_text())
    summary = json.loads((tmp_path / "figures" / "summary.json").read_text())
    assert [poll["interval_s"] for poll in polls[:4]] == [1.0, 1.0, 2.0, 2.0]
    assert summary["intervals"]["1"]["done"] == 2
    assert summary["total_ms"]["median"] > 0
    assert len(ended.of("poll")) == len(polls)
