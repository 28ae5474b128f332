"""A service as a real process on a real server: states, signals, drain, watchdog and exit codes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from cornerman_shared.bus import streams
from cornerman_shared.bus.codec import unpack
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import WorkerStatus
from cornerman_shared.bus.workers import list_workers, live_names
from cornerman_shared.process.health import probe
from cornerman_shared.settings.tree import Settings

SERVICE = """
import asyncio, sys, time
from pathlib import Path
from cornerman_shared.process.runtime import run_service

async def main(context):
    how = sys.argv.pop()
    if how == "load":
        with context.health.loading():
            while not (Path(context.settings.runtime.dir) / "loaded").exists():
                await asyncio.sleep(0.02)
    if how == "stall":
        time.sleep(600)
    if how == "crash":
        raise ValueError("boo")
    if how == "crash-in-background":
        async def background():
            raise ValueError("boo")
        context.tasks.create_task(background())
    if how == "finish":
        return
    await context.stopping.wait()
    if how == "slow":
        await asyncio.sleep(0.5)
        context.log.info("finished_what_was_in_hand")
    if how == "stuck":
        await asyncio.to_thread(time.sleep, 600)

how = sys.argv.pop()
async def started(context):
    sys.argv.append(how)
    await main(context)
sys.exit(run_service("encoder", started))
"""


class Process:
    """A service process with its output."""

    def __init__(self, settings: Settings, how: str, *sets: str, url: str = "") -> None:
        self.settings = settings
        folder = settings.runtime.dir
        flags = [f"--set=runtime.dir={folder}", "--redis", url or settings.redis.url, "--name", "w1"]
        flags += [f"--set={item}" for item in sets]
        self.process = subprocess.Popen([sys.executable, "-c", SERVICE, *flags, how], stderr=subprocess.PIPE, text=True)

    def until(self, event: str) -> dict[str, Any]:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if line.startswith("{") and json.loads(line)["event"] == event:
                got: dict[str, Any] = json.loads(line)
                return got
        raise AssertionError(f"the process ended without {event}")

    def end(self, within_s: float = 60.0) -> tuple[int, str]:
        _, rest = self.process.communicate(timeout=within_s)
        return self.process.returncode, rest


@pytest.fixture
def serve(settings: Settings) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def start(how: str, *sets: str, **more: str) -> Process:
        started.append(Process(settings, how, *sets, **more))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate()


def eventually(check: Callable[[], bool], within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not check():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def test_sigterm_drains_and_exits_with_0(serve: Callable[..., Process]) -> None:
    service = serve("slow")
    service.until("running")
    service.process.send_signal(signal.SIGTERM)
    code, rest = service.end()
    assert code == 0
    assert "finished_what_was_in_hand" in rest


def test_second_signal_exits_at_once(serve: Callable[..., Process]) -> None:
    service = serve("stuck", "runtime.drain_s=120")
    service.until("running")
    service.process.send_signal(signal.SIGINT)
    service.until("draining")
    service.process.send_signal(signal.SIGINT)
    code, _ = service.end()
    assert code == 128 + signal.SIGINT


def test_drain_limit_abandons_work(serve: Callable[..., Process]) -> None:
    service = serve("stuck", "runtime.drain_s=0.3")
    service.until("running")
    service.process.send_signal(signal.SIGTERM)
    code, rest = service.end()
    assert code == 0
    assert "drain_took_too_long" in rest


@pytest.mark.parametrize("how", ["crash", "crash-in-background"])
def test_crash_exits_with_70_and_traceback(serve: Callable[..., Process], how: str) -> None:
    code, rest = serve(how).end()
    assert code == 70
    assert "ValueError: boo" in rest


def test_finished_service_exits_with_0(serve: Callable[..., Process]) -> None:
    assert serve("finish").end()[0] == 0


def test_stalled_event_loop_exits_with_70(serve: Callable[..., Process]) -> None:
    code, rest = serve("stall", "runtime.watchdog_s=2").end()
    assert code == 70
    assert "has not moved for 2 s" in rest
    assert "time.sleep" in rest or "in main" in rest


def test_suspended_process_is_not_stalled(serve: Callable[..., Process]) -> None:
    service = serve("wait", "runtime.watchdog_s=3")
    service.until("running")
    service.process.send_signal(signal.SIGSTOP)
    time.sleep(6.0)
    service.process.send_signal(signal.SIGCONT)
    time.sleep(0.5)
    service.process.send_signal(signal.SIGTERM)
    assert service.end()[0] == 0


def test_wrong_setting_exits_with_78(serve: Callable[..., Process]) -> None:
    code, rest = serve("wait", "encoder.batch=0").end()
    assert code == 78
    assert "encoder.batch = 0" in rest


def test_wrong_usage_exits_with_64() -> None:
    service = [
        sys.executable,
        "-c",
        "import sys; from cornerman_shared.process.runtime import run_service; sys.exit(run_service('x', None))",
    ]
    assert subprocess.run([*service, "--nope"], capture_output=True, check=False, timeout=100).returncode == 64


def test_missing_server_exits_with_69(tmp_path: Path, serve: Callable[..., Process]) -> None:
    script = SERVICE.replace(
        "from cornerman_shared.process.runtime",
        "from cornerman_shared.process import runtime; runtime.SERVER_WAIT_S = 0.3\n"
        "from cornerman_shared.process.runtime",
    )
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            script,
            "--redis",
            f"unix://{tmp_path}/none.sock",
            f"--set=runtime.dir={tmp_path}",
            "wait",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 69
    assert "no server answered" in done.stderr


def test_probe_follows_the_process(settings: Settings, serve: Callable[..., Process]) -> None:
    folder = Path(settings.runtime.dir)
    service = serve("load")
    service.until("running")
    eventually(lambda: "starting" in probe(folder, "encoder")[1])
    (folder / "loaded").touch()
    eventually(lambda: probe(folder, "encoder")[0])
    service.process.send_signal(signal.SIGTERM)
    assert service.end()[0] == 0
    assert "no health" in probe(folder, "encoder")[1]


def test_killed_process_is_swept_later(settings: Settings, serve: Callable[..., Process]) -> None:
    folder = Path(settings.runtime.dir)
    service = serve("wait")
    eventually(lambda: probe(folder, "encoder")[0])
    os.kill(service.process.pid, signal.SIGKILL)
    service.end()
    assert not probe(folder, "encoder", now_s=time.time() + 6)[0]
    serve("finish").end()
    assert list(folder.glob("*.health")) == []


async def test_status_is_published_while_alive(bus: Bus, settings: Settings, serve: Callable[..., Process]) -> None:
    service = serve("wait")
    key = streams.worker_key("encoder", "w1")
    with redis.Redis.from_url(settings.redis.url) as client:
        seen: list[WorkerStatus] = []

        def running() -> bool:  # its status expires five seconds after the last one
            if raw := client.get(key):
                seen.append(unpack(raw, WorkerStatus))
            return bool(seen) and seen[-1].state == "running"

        eventually(running)
        assert (seen[-1].role, seen[-1].name, seen[-1].pid) == ("encoder", "w1", service.process.pid)
        eventually(lambda: 0 < client.ttl(key) <= 5)
        assert client.zrange(streams.WORKERS, 0, -1) == [b"encoder:w1"]
        service.process.send_signal(signal.SIGTERM)
        service.end()
        assert not client.exists(key)
        assert client.zcard(streams.WORKERS) == 0


async def test_crash_leaves_its_reason(bus: Bus, serve: Callable[..., Process]) -> None:
    serve("crash").end()
    (left,) = await list_workers(bus)
    assert (left.state, left.name) == ("unhealthy", "w1")
    assert left.reason == "ValueError: boo"
    assert await live_names(bus, "encoder") == set()


def test_metrics_are_served_on_the_port(serve: Callable[..., Process], unused_tcp_port: int) -> None:
    import urllib.request

    service = serve("wait", f"runtime.metrics_port={unused_tcp_port}")
    service.until("running")
    with urllib.request.urlopen(f"http://127.0.0.1:{unused_tcp_port}/metrics") as reply:
        assert b"cornerman_loop_delay_seconds" in reply.read()
