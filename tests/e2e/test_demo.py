"""`cornerman demo`, `run`, `up` and `poll` with real processes, from a video to feedback and counts."""

import contextlib
import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from tests.chat_schemas import VLLM_CHAT
from tests.chat_server import WORDS, chat_server
from tests.e2e.commands import FAKES, FAST, PATIENCE_S, Command, adds_up, adds_up_or_says_so

NO_DEADLINE = ("--set", "speak.deadline_s=0")
"""Live requests never expire, however slow the machine."""

HURRIED_S = 120.0
UNHURRIED = ("--set", "generator.timeout_s=600")
"""Without Ctrl-C, unfinished requests are waited for at least so long."""


def test_demo_ends_with_consistent_counts(cornerman: Callable[..., Command]) -> None:
    """In real time: drops and feedback depend on the machine."""
    ended = cornerman("demo", "--headless", "--json", "--seconds", "20", *FAST).end()
    assert ended.code == 0, ended.errors
    (counts,) = ended.sources.values()
    adds_up(counts)
    assert counts["captured"] > 100
    assert counts["decided"] > 0
    assert len(ended.of("decision")) == counts["decided"] + counts["buried"]
    assert len(ended.of("feedback")) == counts["feedback"]


def test_demo_gives_feedback(cornerman: Callable[..., Command]) -> None:
    """Lossless: the same chunks on every machine."""
    ended = cornerman("demo", "--headless", "--json", "--set", "watch.lossless=true", *FAST).end()
    assert ended.code == 0, ended.errors
    assert "Warning" not in ended.errors
    (counts,) = ended.sources.values()
    adds_up(counts)
    assert counts["decided"] == counts["due"] == len(ended.of("decision"))
    assert len(ended.of("feedback")) == counts["feedback"] > 0
    spoken = [line for line in ended.of("feedback") if not line.get("silent")]
    assert spoken
    for line in spoken:
        assert line["text"]
        assert line["ttft_ms"] > 0
        assert {"published", "encoded", "decided", "first_token", "total"} <= set(line["latency_ms"])


def test_lossless_run_decides_every_chunk(cornerman: Callable[..., Command]) -> None:
    line = ("run", "test://pattern?seconds=20", "--id", "a", "--lossless", "--strategy", "interval", "--json")
    ended = cornerman(*line, "--encoders", "2", *FAKES, *FAST).end()
    assert ended.code == 0, ended.errors
    counts = ended.sources["a"]
    adds_up(counts)
    assert counts["dropped"] == {} or sum(counts["dropped"].values()) == 0
    assert counts["captured"] == 600
    assert [line["seq"] for line in ended.of("decision")] == list(range(counts["due"]))
    assert counts["feedback"] >= 5


def test_several_sources_have_own_counts(cornerman: Callable[..., Command]) -> None:
    line = ("run", "test://pattern?seconds=5", "test://pattern?seconds=4&seed=2", "--lossless", "--json")
    ended = cornerman(*line, *FAKES, *FAST).end()
    assert ended.code == 0, ended.errors
    assert set(ended.sources) == {"pattern", "pattern-2"}
    for counts in ended.sources.values():
        adds_up(counts)
        assert counts["decided"] > 5


def test_text_goes_to_stdout(cornerman: Callable[..., Command]) -> None:
    command = cornerman("run", "test://pattern?seconds=6", "--lossless", "--prompt", "Hello there", *FAKES, *FAST)
    out, errors = command.process.communicate(timeout=PATIENCE_S)
    assert command.process.returncode == 0, errors
    assert "Hello there" in out
    assert "feedback" in out
    assert "Traceback" not in errors


def test_unreadable_video_exits_with_66(cornerman: Callable[..., Command], tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("this is not a video")
    ended = cornerman("run", "notes.mp4", "test://pattern?seconds=2", "--json", *FAKES, *FAST).end()
    assert ended.code == 66
    assert ended.sources["pattern"]["decided"] > 0
    (error,) = ended.of("error")
    assert (error["source_id"], error["stage"]) == ("notes", "capture")
    assert error["message"]
    adds_up(ended.sources["notes"])


def test_ctrl_c_leaves_no_process(cornerman: Callable[..., Command]) -> None:
    line = ("run", "test://pattern?seconds=0", "--id", "live", "--strategy", "interval", "--json")
    command = cornerman(*line, *NO_DEADLINE, *UNHURRIED, *FAKES, *FAST)
    command.read_until("feedback")
    children = psutil.Process(command.process.pid).children(recursive=True)
    assert len(children) >= 5
    began = time.monotonic()
    command.process.send_signal(signal.SIGINT)
    ended = command.end()
    assert time.monotonic() - began < HURRIED_S
    assert ended.code == 0, ended.errors
    adds_up_or_says_so(ended, "live")
    _, alive = psutil.wait_procs(children, timeout=60)
    assert alive == []


def test_early_ctrl_c_exits_with_0(cornerman: Callable[..., Command]) -> None:
    command = cornerman("run", "test://pattern?seconds=0", "--json", *UNHURRIED, *FAKES, *FAST)
    while not any("cornerman_capture" in line for line in command_lines(command)):
        assert command.process.poll() is None
        time.sleep(0.01)
    began = time.monotonic()
    command.process.send_signal(signal.SIGINT)
    ended = command.end()
    assert (ended.code, time.monotonic() - began < HURRIED_S) == (0, True), ended.errors


def test_lost_memory_server_ends_the_run(cornerman: Callable[..., Command]) -> None:
    command = cornerman("run", "test://pattern?seconds=0", "--json", *FAKES, *FAST)
    command.read_until("decision")
    server_of(command).kill()
    ended = command.end()
    assert ended.code == 70
    assert "embedded server was killed by SIGKILL, and what it held is lost" in ended.errors


def test_killed_persistent_server_loses_nothing(cornerman: Callable[..., Command], tmp_path: Path) -> None:
    line = ("run", "test://pattern?seconds=60", "--id", "a", "--lossless", "--strategy", "interval", "--json")
    data = ("--set", f"redis.data_dir={tmp_path / 'data'}")
    command = cornerman(*line, *data, "--set", "bus.idle_ms=500", "--set", "bus.heartbeat_ms=100", *FAKES, *FAST)
    command.read_until("decision")
    server_of(command).kill()
    ended = command.end()
    assert ended.code == 0, ended.errors
    assert "starting it again" in ended.errors
    counts = ended.sources["a"]
    adds_up(counts)
    assert counts["decided"] == counts["due"] > 100


def test_killed_blob_server_costs_chunks_on_the_bus(cornerman: Callable[..., Command], tmp_path: Path) -> None:
    line = ("run", "test://pattern?seconds=60", "--id", "a", "--lossless", "--strategy", "interval", "--json")
    command = cornerman(*line, "--set", f"redis.data_dir={tmp_path / 'data'}", *FAKES, *FAST)
    command.read_until("decision")
    server_of(command, "valkey-blobs.sock").kill()
    ended = command.end()
    assert ended.code == 0, ended.errors
    assert "the embedded server for blobs was killed by SIGKILL; starting it again" in ended.errors
    counts = ended.sources["a"]
    adds_up(counts)
    assert counts["decided"] == counts["due"] > 100


def command_lines(command: Command) -> Iterator[str]:
    """Yields the command lines of its live children."""
    for child in psutil.Process(command.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            yield " ".join(child.cmdline())


def server_of(command: Command, socket: str = "valkey.sock") -> psutil.Process:
    """The server on this socket, which its process title names."""
    (server,) = [
        child
        for child in psutil.Process(command.process.pid).children(recursive=True)
        if any(part.endswith(f"/{socket}") for part in child.cmdline())
    ]
    return server


def test_seconds_ends_an_endless_source(cornerman: Callable[..., Command]) -> None:
    line = ("run", "test://pattern?seconds=0", "--id", "live", "--seconds", "4", "--json")
    ended = cornerman(*line, *FAKES, *FAST).end()
    assert ended.code == 0, ended.errors
    adds_up(ended.sources["live"])
    assert ended.sources["live"]["captured"] > 0


def test_killed_service_loses_nothing(cornerman: Callable[..., Command]) -> None:
    line = ("run", "test://pattern?seconds=60", "--id", "a", "--lossless", "--strategy", "interval", "--json")
    command = cornerman(*line, "--set", "bus.idle_ms=500", "--set", "bus.heartbeat_ms=100", *FAKES, *FAST)
    command.read_until("decision")
    victims = [
        child
        for child in psutil.Process(command.process.pid).children(recursive=True)
        if any(f"cornerman_{role}" in " ".join(child.cmdline()) for role in ("encoder", "generator"))
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


def test_missing_model_is_refused_before_any_service(cornerman: Callable[..., Command]) -> None:
    line = ("run", "test://pattern", "--json", "--encoder", "mobile_videogpt", "--set", "encoder.model=./nowhere")
    ended = cornerman(*line, "--generator", "echo", *FAST).end()
    assert ended.code == 78
    assert "encoder.model = './nowhere': there is no such file or folder" in ended.errors


def test_service_that_fails_ends_run(cornerman: Callable[..., Command]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = cornerman(
            "run", "test://pattern", "--json", *FAKES, *FAST, "--set", f"runtime.metrics_port={port}"
        ).end()
    assert ended.code == 78
    assert ended.errors.count(f"runtime.metrics_port = {port}") == 1


def test_two_runs_are_independent(cornerman: Callable[..., Command]) -> None:
    line = ("run", "test://pattern?seconds=8", "--id", "same", "--lossless", "--json", *FAKES, *FAST)
    first, second = cornerman(*line), cornerman(*line)
    for ended in (first.end(), second.end()):
        assert ended.code == 0, ended.errors
        adds_up(ended.sources["same"])
        assert ended.sources["same"]["captured"] == 240


def test_run_uses_services_of_up(cornerman: Callable[..., Command], tmp_path: Path) -> None:
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
    _, errors = up.process.communicate(timeout=PATIENCE_S)
    assert up.process.returncode == 0, errors


def test_poll_writes_its_measurements(cornerman: Callable[..., Command], tmp_path: Path) -> None:
    line = ("poll", "test://pattern?seconds=60", "--benchmark", "--intervals", "1,2", "--polls-per-interval", "2")
    ended = cornerman(*line, "--json", "--output-dir", "figures", "--log-level", "INFO", *FAKES, *FAST).end()
    assert ended.code == 0, ended.errors
    (metrics, summary, benchmark) = (
        json.loads(next((tmp_path / "figures").glob(f"{name}_*.json")).read_text())
        for name in ("metrics", "summary", "benchmark")
    )
    polls = metrics["inference_metrics"]
    assert [poll["polling_interval"] for poll in polls] == [1.0, 1.0, 2.0, 2.0]
    assert summary["intervals"]["1"]["successful_polls"] == 2
    assert summary["latency_ms"]["p95"] > 0
    assert [row["polling_interval"] for row in benchmark["results"]] == [1.0, 2.0]
    assert ended.of("poll") == polls
    assert all(poll["encoding_time"] is not None and poll["frames_processed"] == 16 for poll in polls[1:])
    page = next((tmp_path / "figures").glob("report_*.html")).read_text()
    assert page.count("data:image/jpeg;base64") == len(polls)
    (log,) = (tmp_path / "logs" / "polling").glob("polling_*.log")
    assert "| INFO     | capture | source_playing" in log.read_text()


def test_server_is_polled_with_every_frame(cornerman: Callable[..., Command], tmp_path: Path) -> None:
    """Sixteen pictures a poll, and times of the first token that contain the server's own."""
    line = ("poll", "test://pattern?seconds=60", "--max-polls", "3", "--interval", "2", "--json", "--prompt", "How?")
    with chat_server("/chat/completions", VLLM_CHAT, first_s=0.5, pause_s=0.1) as server:
        model = ("--generator", "openai", "--base-model", "NAME", "--set", f"generator.base_url={server.url}")
        ended = cornerman(*line, *model, *FAST).end()
    assert (ended.code, server.refused) == (0, []), ended.errors
    metrics = json.loads(next((tmp_path / "results" / "polling").glob("metrics_*.json")).read_text())
    polls = metrics["inference_metrics"]
    assert len(polls) == 3
    for poll, first_s in zip(polls, server.first_after_s, strict=False):
        assert poll["time_to_first_token"] >= first_s
        assert 0 < poll["tokens_per_second"] <= 20
        assert (poll["response"], poll["input_tokens"], poll["output_tokens"]) == ("".join(WORDS), 99, len(WORDS))
        assert poll["frames_processed"] == 16
    parts = [part["type"] for part in server.requests[-1]["messages"][-1]["content"]]
    assert parts.count("image_url") == 16
    assert metrics["summary"]["errors_by_cause"] == {}


def test_failing_polls_fail_the_command(cornerman: Callable[..., Command], tmp_path: Path) -> None:
    nobody = ("--set", "generator.backend=openai", "--set", "generator.base_url=http://127.0.0.1:9/v1")
    line = ("poll", "test://pattern?seconds=60", "--max-polls", "2", "--interval", "1", "--json")
    ended = cornerman(*line, *nobody, "--set", "generator.model=m", *FAST).end()
    assert ended.code == 70, ended.errors
    assert "every poll failed (2)" in ended.errors
    summary = json.loads(next((tmp_path / "results" / "polling").glob("summary_*.json")).read_text())
    assert (summary["total_polls"], summary["successful_polls"]) == (2, 0)
    (cause,) = summary["errors_by_cause"]
    assert "127.0.0.1:9" in cause
