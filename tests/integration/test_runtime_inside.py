"""The runtime inside the test's process, with access to its context."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.workers import list_workers
from cornerman_shared.errors import FatalError
from cornerman_shared.process import runtime
from cornerman_shared.process.health import Health, probe
from cornerman_shared.process.metrics import Metrics
from cornerman_shared.process.runtime import Context, run_service
from cornerman_shared.settings.tree import Settings
from tests.integration.waiting import until, until_true


@pytest.fixture
def flags(settings: Settings) -> list[str]:
    return [
        "--redis",
        settings.redis.url,
        f"--set=runtime.dir={settings.runtime.dir}",
        "--set=runtime.drain_s=60",
        "--set=log.format=json",
        "--name=w1",
    ]


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_service_gets_bus_name_and_metrics(flags: list[str]) -> None:
    seen: list[object] = []

    async def main(context: Context) -> None:
        seen.append(await context.bus.redis.ping())
        seen.append((context.name, context.health.state, context.stopping.is_set()))
        assert isinstance(context.metrics, Metrics)

    assert run_service("encoder", main, flags) == 0
    assert seen == [True, ("w1", "running", False)]


def test_signal_stops_and_awaits_tasks(flags: list[str]) -> None:
    finished: list[str] = []

    async def background(context: Context) -> None:
        await context.stopping.wait()
        await asyncio.sleep(0.05)
        finished.append("background")

    async def main(context: Context) -> None:
        context.tasks.create_task(background(context))
        os.kill(os.getpid(), signal.SIGTERM)
        await context.stopping.wait()
        await asyncio.sleep(0)
        assert context.health.state == "draining"
        finished.append("main")

    assert run_service("encoder", main, flags) == 0
    assert finished == ["main", "background"]


def test_drain_is_bounded(flags: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    async def main(context: Context) -> None:
        context.stopping.set()
        await asyncio.sleep(600)

    began = time.monotonic()
    assert run_service("encoder", main, [*flags, "--set=runtime.drain_s=0.4"]) == 0
    assert 0.4 <= time.monotonic() - began < 300
    assert "drain_took_too_long" in capfd.readouterr().err


def test_background_error_ends_the_service(flags: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    async def background() -> None:
        raise FatalError("the model is broken; get another")

    async def main(context: Context) -> None:
        context.tasks.create_task(background())
        await context.stopping.wait()

    assert run_service("encoder", main, flags) == 70
    assert "the model is broken; get another" in capfd.readouterr().err


def test_task_group_exists_only_inside_main(flags: list[str]) -> None:
    kept: list[Context] = []

    async def main(context: Context) -> None:
        kept.append(context)

    assert run_service("encoder", main, flags) == 0
    with pytest.raises(RuntimeError, match="no task group"):
        _ = kept[0].tasks


def test_status_survives_an_unreachable_server(
    flags: list[str], settings: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runtime, "STATUS_EVERY_S", 0.05)
    calls: list[int] = []

    async def broken(bus: object, health: object) -> None:
        calls.append(1)
        raise OSError("no route")

    monkeypatch.setattr(runtime, "publish_status", broken)

    async def main(context: Context) -> None:
        def state() -> str:
            return probe(Path(settings.runtime.dir), "encoder")[1]

        with context.health.loading():
            await until_true(lambda: "starting" in state())
        await until_true(lambda: "running" in state())
        await until_true(lambda: len(calls) > 3)

    assert run_service("encoder", main, flags) == 0
    assert capfd.readouterr().err.count("status_not_published") == 1


def test_ready_is_published_at_once(flags: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A second until others learned that a service was ready was a second of every start."""
    monkeypatch.setattr(runtime, "STATUS_EVERY_S", 600.0)
    written: list[str] = []
    monkeypatch.setattr(Health, "write", lambda health: written.append(health.state))

    async def main(context: Context) -> None:
        async def is_state(state: str) -> bool:
            return [status.state for status in await list_workers(context.bus)] == [state]

        with context.health.loading():
            await until_true(lambda: len(written) == 2)
            await until(lambda: is_state("starting"))
        await until(lambda: is_state("running"))

    assert run_service("encoder", main, flags) == 0
    assert written[:3] == ["starting", "starting", "running"]


def test_stopped_worker_leaves_no_status(flags: list[str], settings: Settings) -> None:
    async def main(context: Context) -> None:
        context.stopping.set()

    async def left() -> list[str]:
        async with Bus.connect(settings) as bus:
            return [status.state for status in await list_workers(bus)]

    assert run_service("encoder", main, flags) == 0
    assert asyncio.run(left()) == []


def test_stopping_interrupts_waiting_for_server(
    flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    ready = Bus.ready

    async def told_to_stop_meanwhile(bus: Bus, timeout_s: float) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await ready(bus, timeout_s)

    monkeypatch.setattr(Bus, "ready", told_to_stop_meanwhile)

    async def main(context: Context) -> None:
        raise AssertionError("there is no server to work with")

    flags[1] = f"unix://{tmp_path}/none.sock"
    assert run_service("encoder", main, flags) == 0
    assert '"stopped"' in capfd.readouterr().err


def test_waiting_for_the_server_is_bounded(flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(context: Context) -> None:
        raise AssertionError("there is no server to work with")

    monkeypatch.setattr(runtime, "SERVER_WAIT_S", 0.1)
    flags[1] = f"unix://{tmp_path}/none.sock"
    assert run_service("encoder", main, flags) == 69
