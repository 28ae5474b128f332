"""Runs a service as a process: settings, logs, signals, health, bus, drain and exit code.

`run_service(role, main)` is the `__main__` of every service. `main` works until `context.stopping` is set, then
finishes the work in hand within `runtime.drain_s` and returns. Unfinished entries stay pending, and other consumers
reclaim them.

Exit codes (sysexits.h): 0 success, 64 usage, 69 no server, 70 internal error, 78 invalid setting. A second signal ends
the process at once.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import RedisError

from cornerman_shared.aio import background, first_of, leaves, retry, wait_or_timeout
from cornerman_shared.bus.server_address import with_server
from cornerman_shared.bus.workers import publish_status, remove_status
from cornerman_shared.clock import Clock, SystemClock
from cornerman_shared.errors import ConfigError, CornermanError, RetryableError
from cornerman_shared.process import health as health_module
from cornerman_shared.process import logs
from cornerman_shared.process.clock_skew import SkewReport
from cornerman_shared.process.exit_codes import EXIT_CONFIG, EXIT_NO_SERVER, EXIT_OK, EXIT_SOFTWARE, EXIT_USAGE
from cornerman_shared.process.health import Health
from cornerman_shared.process.http_port import serve_http
from cornerman_shared.process.logs import Logger
from cornerman_shared.process.metrics import Metrics
from cornerman_shared.process.numpy_threads import one_numpy_thread
from cornerman_shared.process.run_dir import runtime_dir
from cornerman_shared.process.tracing import tracer_of
from cornerman_shared.process.watchdog import Watchdog
from cornerman_shared.settings.overrides import merge, nest, parse_set
from cornerman_shared.settings.tree import Settings, load_settings

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.server_memory import refuse_eviction

SERVER_WAIT_S: Final = 30.0
"""How long a starting process waits for the server to answer."""

CANCEL_WAIT_S: Final = 2.0
"""How long cancelled tasks may take to end before the process exits without them."""

STATUS_EVERY_S: Final = 1.0

Main = Callable[["Context"], Awaitable[None]]


@dataclass
class Context:
    """Everything that a service needs from its process.

    Attributes:
        settings: resolved, with the server's URL.
        bus: open.
        clock: the server's unix time, and monotonic time.
        name: of the worker, unique within its role.
        health: reports state and progress.
        metrics: of this process.
        log: bound to role and worker.
        stopping: set once, at the first signal.
    """

    settings: Settings
    bus: Bus
    clock: Clock
    name: str
    health: Health
    metrics: Metrics
    log: Logger
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: asyncio.TaskGroup | None = None

    @property
    def tasks(self) -> asyncio.TaskGroup:
        """Background tasks of the service. They are cancelled after the drain; an error in one ends the process.

        Raises:
            RuntimeError: the service does not run.
        """
        if self._tasks is None:
            raise RuntimeError(
                "the service does not run, so it has no task group; use Context.tasks inside `main` only"
            )
        return self._tasks

    def progress(self, in_hand: int) -> None:
        """Reports that work moved on and that `in_hand` entries are being worked on, in health and metrics."""
        self.health.progress(in_hand)
        self.metrics.entries_in_hand.set(in_hand)

    def count_entry(self, outcome: str) -> None:
        """Counts an entry by its outcome; for `Consumer(count=…)`."""
        self.metrics.entries_total.labels(outcome).inc()


def run_service(role: str, main: Main, argv: Sequence[str] | None = None) -> int:
    """Runs `main` as the process of `role` and returns the exit code: `sys.exit(run_service("encoder", main))`.

    Args:
        role: capture, encoder, decider, generator or gateway.
        main: the service.
        argv: arguments; None = those of the process, which then may exit without waiting for threads.
    """
    try:
        logs.configure(role=role)
        settings = _settings(role, argv)
        name = settings.runtime.name or f"{socket.gethostname()}-{os.getpid()}"
        name = re.sub(r"[^A-Za-z0-9._-]", "-", name)
        logs.configure(settings.log.level, settings.log.format, role=role, worker=name)
        settings = with_server(settings)
        folder = runtime_dir(settings.runtime.dir)
    except ConfigError as error:
        logs.get_logger("runtime").error("settings_are_wrong", message=str(error))
        return EXIT_CONFIG
    log = logs.get_logger(role)
    one_numpy_thread()
    with asyncio.Runner() as runner:
        try:
            done = runner.run(_run_process(role, name, settings, folder, main, log))
            code = EXIT_OK
        except BaseException as error:
            done = False
            code = _exit_code(error, log)
        if not done and argv is None:
            # A computing thread would delay the exit; its entry is pending and will be reclaimed.
            _exit_now(code)
    return code


async def _run_process(role: str, name: str, settings: Settings, folder: Path, main: Main, log: Logger) -> bool:
    """Runs from the first connection to the last. Returns whether the work in hand was finished."""
    from cornerman_shared.bus.connection import Bus

    clock = SystemClock()
    health_module.sweep(folder, role)
    health = Health(role, name, clock, folder)
    metrics = Metrics(role)
    watchdog = Watchdog(settings.runtime.watchdog_s)
    async with contextlib.AsyncExitStack() as stack:
        bus = Bus.connect(settings, clock)
        await stack.enter_async_context(bus)
        context = Context(settings, bus, bus.clock, name, health, metrics, log)
        bus.tracer = tracer_of(os.environ, role, name, bus.clock)
        if bus.tracer is not None:
            stack.callback(bus.tracer.close)
        stack.enter_context(_signals(context))
        if settings.runtime.metrics_port:
            stack.callback(serve_http(settings.runtime, metrics, health))
        watchdog.start()
        stack.callback(watchdog.stop)
        stack.callback(health.remove)
        drained = True
        async with background(_heartbeat_loop(watchdog, metrics), _status_loop(context)):
            log.info("starting", pid=os.getpid())
            async with _last_words(context):
                await first_of(_wait_ready(bus), context.stopping.wait())
                if not context.stopping.is_set():
                    drained = await _run_main(context, main)
        # After the status loop has ended, so that nothing publishes the status again.
        health.set_state("stopped")
        with contextlib.suppress(RedisError, CornermanError, OSError, TimeoutError):
            # A server that hangs must not delay the exit; the status expires by its TTL.
            async with asyncio.timeout(1.0):
                await remove_status(bus, role, name)
        log.info("stopped", drained=drained)
    return drained


@contextlib.asynccontextmanager
async def _last_words(context: Context) -> AsyncIterator[None]:
    """Publishes the error that ends the process: the state `unhealthy` with its reason."""
    try:
        yield
    except Exception as error:
        first = _first_error(error)
        context.health.fail(str(first) if isinstance(first, CornermanError) else f"{type(first).__name__}: {first}")
        with contextlib.suppress(RedisError, CornermanError, OSError, TimeoutError):
            # A server that hangs must not delay the exit.
            async with asyncio.timeout(1.0):
                await publish_status(context.bus, context.health.status(context.bus.clock.now_s()))
        raise


async def _wait_ready(bus: Bus) -> None:
    await bus.ready(SERVER_WAIT_S)
    await retry(lambda: refuse_eviction(bus), cap_s=1.0)


async def _run_main(context: Context, main: Main) -> bool:
    """Runs `main` and its background tasks, for at most `drain_s` once stopping. Returns False at that limit."""

    async def service() -> None:
        # In this task: a service that loads a model says so before its state can be published.
        context.health.set_state("running")
        context.log.info("running")
        await main(context)
        context.stopping.set()

    try:
        # `background` is the outer group: it watches the drain until the service's tasks have ended.
        async with (
            asyncio.timeout(None) as limit,
            background(_limit_drain(context, limit)),
            asyncio.TaskGroup() as tasks,
        ):
            context._tasks = tasks
            tasks.create_task(service(), name=context.health.role)
        return True
    except TimeoutError:
        if not limit.expired():
            raise
        context.log.warning("drain_took_too_long", drain_s=context.settings.runtime.drain_s)
        return False
    finally:
        context._tasks = None


async def _limit_drain(context: Context, limit: asyncio.Timeout) -> None:
    await context.stopping.wait()
    limit.reschedule(asyncio.get_running_loop().time() + context.settings.runtime.drain_s)
    context.health.set_state("draining")
    context.log.info("draining", drain_s=context.settings.runtime.drain_s)
    # Reached only if a task still runs after its cancellation at the end of the drain.
    await asyncio.sleep(context.settings.runtime.drain_s + CANCEL_WAIT_S)
    context.log.error("a_task_ignores_its_cancellation", tasks=[task.get_name() for task in asyncio.all_tasks()])
    _exit_now(EXIT_OK)


async def _heartbeat_loop(watchdog: Watchdog, metrics: Metrics) -> None:
    loop = asyncio.get_running_loop()
    while True:
        watchdog.heartbeat()
        before_s = loop.time()
        await asyncio.sleep(watchdog.interval_s)
        metrics.loop_delay_seconds.observe(max(0.0, loop.time() - before_s - watchdog.interval_s))


async def _status_loop(context: Context) -> None:
    """Writes the health file, measures the clock and publishes the worker's status: each second and at each change.

    A lost server does not stop it.
    """
    server_lost = False
    skew = SkewReport(context.health, context.metrics, context.log)
    while True:
        context.health.changed.clear()
        try:
            context.health.write()
            async with asyncio.timeout(STATUS_EVERY_S):
                await context.bus.measure_clock()
                skew.report(context.bus.clock_skew_s)
                await publish_status(context.bus, context.health.status(context.bus.clock.now_s()))
            context.metrics.bus_reconnects_total.inc(int(server_lost))
            server_lost = False
        except (RedisError, CornermanError, OSError, TimeoutError) as error:
            if not server_lost:
                context.log.warning("status_not_published", message=str(error) or type(error).__name__)
            server_lost = True
        await wait_or_timeout(context.health.changed, STATUS_EVERY_S)


@contextlib.contextmanager
def _signals(context: Context) -> Iterator[None]:
    """Handles SIGTERM and SIGINT: the first one starts the drain, the second one ends the process at once."""
    loop = asyncio.get_running_loop()

    def on_signal(number: int) -> None:
        if context.stopping.is_set():
            _exit_now(128 + number)
        context.log.info("signal_received", signal=signal.Signals(number).name)
        context.stopping.set()

    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _settings(role: str, argv: Sequence[str] | None) -> Settings:
    parser = argparse.ArgumentParser(
        prog=f"python -m cornerman_{role}",
        description="Every setting may also be a CORNERMAN_* variable or an entry of cornerman.yaml.",
    )
    parser.add_argument("--config", metavar="FILE", help="YAML file; default: cornerman.yaml in this folder")
    parser.add_argument("--redis", metavar="URL", help="server; default: the embedded one")
    parser.add_argument("--name", help="worker name; default: host-pid")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.NAME=VALUE", help="any setting")
    try:
        given = parser.parse_args(argv)
    except SystemExit as exit_:
        raise SystemExit(EXIT_USAGE if exit_.code else EXIT_OK) from None
    if given.config:
        # Child processes read the same file.
        os.environ["CORNERMAN_CONFIG"] = given.config
    pairs: list[tuple[str, Any]] = []
    if given.redis:
        pairs.append(("redis.url", given.redis))
    if given.name:
        pairs.append(("runtime.name", given.name))
    return load_settings(merge(nest(parse_set(given.set)), nest(pairs)))


def _exit_code(error: BaseException, log: Logger) -> int:
    """Logs the error that ended the process in one line and returns its exit code."""
    if isinstance(error, BaseExceptionGroup):
        return _exit_code(_first_error(error), log)
    if isinstance(error, ConfigError):
        log.error("settings_are_wrong", message=str(error))
        return EXIT_CONFIG
    if isinstance(error, RetryableError):
        log.error("no_server", message=str(error))
        return EXIT_NO_SERVER
    if isinstance(error, CornermanError):
        log.error("failed", message=str(error))
        return EXIT_SOFTWARE
    if not isinstance(error, Exception):
        raise error
    log.error("crashed", exc_info=error)
    return EXIT_SOFTWARE


def _first_error(error: BaseException) -> BaseException:
    """The error of a group that is shown; a wrong setting is the cause that the user can mend, so it goes first."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    found = leaves(error)
    return next((leaf for leaf in found if isinstance(leaf, ConfigError)), found[0])


def _exit_now(code: int) -> None:
    """Ends the process without waiting for threads."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
