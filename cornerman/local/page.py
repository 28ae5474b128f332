"""The page's address, and opening it in a browser. Knows the gateway by its settings only."""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
import webbrowser
from typing import Any

from cornerman.local.launcher import is_installed
from cornerman_shared.settings.tree import GatewaySettings


def missing() -> str:
    """Reason why the page cannot be served; "" if it can."""
    if not is_installed("gateway"):
        return "this installation has no gateway"
    if importlib.util.find_spec("uvicorn") is None or importlib.util.find_spec("fastapi") is None:
        return "the page needs the web extra: pip install 'cornerman[web]'"
    return ""


def address(gateway: GatewaySettings, wanted: int | None) -> tuple[str, dict[str, Any]]:
    """The page's URL, and the settings that make the gateway serve it there.

    A `wanted` port is used as it is; the default port is replaced by a free one if it is in use.
    """
    port = gateway.port if wanted is None else wanted
    if port == 0 or (wanted is None and not _free(gateway.host, port)):
        port = _any_port(gateway.host)
    scheme = "https" if gateway.tls_cert else "http"
    # A browser cannot open a wildcard address; an IPv6 address needs brackets.
    host = "127.0.0.1" if gateway.host in ("0.0.0.0", "::", "") else gateway.host
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/", {"gateway": {"port": port}}


def check(gateway: GatewaySettings) -> None:
    """Checks that the gateway can serve with these settings, before any process starts.

    Raises:
        ConfigError: a taken port, a missing token or certificate.
    """
    from cornerman_gateway.serving import check_serving  # part of the gateway, which may not be installed

    check_serving(gateway)


def open_page(url: str) -> bool:
    """Opens the browser if this is a terminal on a local desktop. Returns True if a browser was asked to open."""
    if not sys.stdout.isatty() or "SSH_CONNECTION" in os.environ:
        return False
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    return webbrowser.open(url)


def _free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the gateway does: without it, a port in TIME_WAIT would look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _any_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
