"""A worker's HTTP port, `runtime.metrics_port`: `/metrics` for Prometheus, `/livez` and `/readyz` for probes.

The port is served by threads of its own, so a probe is answered while the event loop is busy.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from cornerman_shared.errors import ConfigError
from cornerman_shared.process.health import Health
from cornerman_shared.process.metrics import Metrics

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from cornerman_shared.settings.tree import RuntimeSettings

ALIVE_S: Final = 60.0
"""A process that wrote its health longer ago is not alive; a busy host delays it by seconds."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Probes are not logged."""


def serve_http(runtime: RuntimeSettings, metrics: Metrics, health: Health) -> Callable[[], None]:
    """Serves `runtime.metrics_port` on `runtime.metrics_host`; returns the function that stops it.

    Raises:
        ConfigError: the port is taken, or the address is not one of this machine.
    """
    host, port = runtime.metrics_host, runtime.metrics_port
    try:
        server = make_server(host, port, probe_app(metrics, health), _Server, _QuietHandler)
    except OSError as error:
        raise ConfigError(
            f"runtime.metrics_port = {port} at runtime.metrics_host = {host!r}: {error.strerror}; give a free port "
            "(0 = none) and an address of this machine"
        ) from None
    thread = threading.Thread(target=server.serve_forever, name="http-port", daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join(timeout=1.0)

    return stop


def probe_app(metrics: Metrics, health: Health) -> WSGIApplication:
    """The WSGI application behind the port."""
    prometheus = make_wsgi_app(metrics.registry)

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            page: Iterable[bytes] = prometheus(environ, start_response)
            return page
        if path not in ("/livez", "/readyz"):
            start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
            return [b"/metrics, /livez, /readyz\n"]
        problem = _problem(health, ready=path == "/readyz")
        start_response(
            "503 Service Unavailable" if problem else "200 OK", [("Content-Type", "text/plain; charset=utf-8")]
        )
        return [f"{problem or 'ok'}\n".encode()]

    return answer


def _problem(health: Health, ready: bool) -> str:
    """Why the process is not alive, or not ready; empty if it is."""
    written_s = health.written_ago_s()
    if written_s > ALIVE_S:
        return f"{health.role} wrote its health {written_s:.0f} s ago: it hangs"
    if health.state == "unhealthy" or (ready and health.state != "running"):
        return f"{health.role} is {health.state}"
    return ""
