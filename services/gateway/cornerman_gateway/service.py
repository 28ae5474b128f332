"""The gateway process: opens the port, serves until it is told to stop, then closes every client in order."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import webbrowser
from collections.abc import Coroutine, Iterator
from typing import TYPE_CHECKING, Any

import uvicorn

from cornerman_common.model_choice import resolve_models
from cornerman_gateway.connections import bounded_http
from cornerman_gateway.parts import build_state
from cornerman_gateway.serving import is_loopback, listen
from cornerman_gateway.tls import tls_files
from cornerman_shared.aio import wait_or_timeout
from cornerman_shared.bus.registry import list_sources
from cornerman_shared.errors import FatalError, RetryableError
from cornerman_shared.process.run_dir import runtime_dir

if TYPE_CHECKING:
    from cornerman_gateway.app_state import AppState
    from cornerman_shared.process.runtime import Context
    from cornerman_shared.settings.tree import GatewaySettings

SWEEP_S = 1.0
UPLOAD_SWEEP_S = 600.0


class Server(uvicorn.Server):
    """uvicorn without signal handlers; the runtime has its own."""

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

    # The processes that load the models resolve the same choice from the same settings.
    choice = resolve_models(loads=())
    state = build_state(settings, context.bus, context.metrics, spawn, choice)
    folder = runtime_dir(settings.runtime.dir)
    tls = tls_files(web.tls_cert, web.tls_key, web.host, folder)
    listener = listen(web)
    # Imported here, not above: FastAPI takes long to import, and a wrong setting should be reported before.
    from cornerman_gateway.app import create_app

    config = uvicorn.Config(
        create_app(state),
        http=bounded_http(web),
        proxy_headers=bool(web.trusted_proxies),
        forwarded_allow_ips=list(web.trusted_proxies),
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
    spawn(_sweep(context, state))
    address = address_of(web, listener, bool(tls))
    context.log.info("gateway_listening", address=address)
    if web.open_browser:
        await asyncio.to_thread(webbrowser.open, address)
    try:
        while not context.stopping.is_set() and not serving.done():
            context.health.progress()
            context.health.report(clients=float(state.hub.clients), viewers=float(state.previews.viewers))
            await wait_or_timeout(context.stopping, 1.0)
    finally:
        state.hub.close()
        state.previews.close()
        await state.whip.close()
        server.should_exit = True
        await serving
    if not context.stopping.is_set():
        raise FatalError("the web server ended by itself; see the log lines above")
    for task in list(tasks):
        task.cancel()


def address_of(web: GatewaySettings, listener: socket.socket, tls: bool) -> str:
    """The URL of the page."""
    host = web.host if is_loopback(web.host) else socket.gethostname()
    host = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{host}:{listener.getsockname()[1]}/"


async def _sweep(context: Context, state: AppState) -> None:
    """Frees unused feeds, pictures, recordings and uploads."""
    uploads_at_s = 0.0
    while True:
        state.hub.sweep()
        state.previews.sweep()
        state.recordings.sweep()
        now_s = context.clock.monotonic_s()
        if now_s >= uploads_at_s:
            uploads_at_s = now_s + UPLOAD_SWEEP_S
            try:
                used = [spec.url for spec in (await list_sources(context.bus)).values()]
            except RetryableError:
                used = None
            if used is not None:
                try:
                    await asyncio.to_thread(state.uploads.sweep, used)
                except OSError as error:  # too many open files, a folder that is gone: the next sweep may do
                    context.log.warning("uploads_not_swept", error=str(error))
        await asyncio.sleep(SWEEP_S)
