"""The gateway as a process: opens the port, serves until told to stop, lets every client go in order."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import webbrowser
from collections.abc import Coroutine, Iterator
from typing import Any

import uvicorn

from cornerman_gateway.app import create_app
from cornerman_gateway.app_state import AppState
from cornerman_gateway.security import is_loopback
from cornerman_gateway.tls import tls_files
from cornerman_shared.bus.registry import list_sources
from cornerman_shared.errors import ConfigError, FatalError, RetryableError
from cornerman_shared.process.run_dir import runtime_dir
from cornerman_shared.process.runtime import Context
from cornerman_shared.settings.tree import GatewaySettings

SWEEP_S = 1.0
UPLOAD_SWEEP_S = 600.0
STALLED_MS = 60_000


class Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the runtime has them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def main(context: Context) -> None:
    """Serves until the process is told to stop."""
    settings = context.settings
    web = settings.gateway
    tasks: set[asyncio.Task[None]] = set()

    def spawn(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = context.tasks.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    room = AppState.of(settings, context.bus, context.metrics, spawn)
    folder = runtime_dir(settings.runtime.dir)
    tls = tls_files(web.tls_cert, web.tls_key, web.host, folder)
    listener = listen(web)
    config = uvicorn.Config(
        create_app(room),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=max(1, int(settings.runtime.drain_s) - 2),
        ws_max_size=4 * 1024 * 1024,
        ws_max_queue=8,
        ws_ping_interval=10.0,
        ws_ping_timeout=20.0,
        ssl_certfile=tls[0] if tls else None,
        ssl_keyfile=tls[1] if tls else None,
    )
    server = Server(config)
    serving = context.tasks.create_task(server.serve(sockets=[listener]))
    spawn(_sweep(context, room))
    address = address_of(web, listener, bool(tls))
    context.log.info("gateway_listening", address=address)
    if web.open_browser:
        await asyncio.to_thread(webbrowser.open, address)
    try:
        while not context.stopping.is_set() and not serving.done():
            context.health.progress()
            context.health.report(clients=float(room.hub.clients), viewers=float(room.screens.viewers))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await context.stopping.wait()
    finally:
        room.hub.close()
        room.screens.close()
        await room.whip.close()
        server.should_exit = True
        await serving
    if not context.stopping.is_set():
        raise FatalError("the web server ended by itself; see the log lines above")
    for task in list(tasks):
        task.cancel()


def listen(web: GatewaySettings) -> socket.socket:
    """A listening socket.

    Raises:
        ConfigError: the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in web.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # Accepted sockets inherit it. A client that stopped reading would keep its buffers for ever otherwise.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_MS)
    try:
        listener.bind((web.host, web.port))
        listener.listen(512)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"gateway.host = {web.host!r}, gateway.port = {web.port}: {error.strerror or error}; "
            "choose another port (0 = any that is free), or end what listens there"
        ) from None
    listener.setblocking(False)
    return listener


def address_of(web: GatewaySettings, listener: socket.socket, tls: bool) -> str:
    """What to type into a browser."""
    host = web.host if is_loopback(web.host) else socket.gethostname()
    host = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{host}:{listener.getsockname()[1]}/"


async def _sweep(context: Context, room: AppState) -> None:
    """Lets go what nobody uses: feeds, pictures, uploads."""
    uploads_at_s = 0.0
    while True:
        room.hub.sweep()
        room.screens.sweep()
        now_s = context.clock.monotonic_s()
        if now_s >= uploads_at_s:
            uploads_at_s = now_s + UPLOAD_SWEEP_S
            try:
                used = [spec.url for spec in (await list_sources(context.bus)).values()]
            except RetryableError:
                used = None
            if used is not None:
                await asyncio.to_thread(room.uploads.sweep, used)
        await asyncio.sleep(SWEEP_S)
