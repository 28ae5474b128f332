"""Free ports for servers that need a port number."""

from __future__ import annotations

import random
import socket
from contextlib import suppress
from pathlib import Path

RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
OWN = 10_000
"""Size of the range below the system's own from which ports are drawn."""


def free_port() -> int:
    """A free port of 127.0.0.1 outside the range that the system assigns from."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Free ports, all different.

    A port that the system assigned (`bind` to 0) and that was closed again may be assigned to any new connection before
    its server starts. Ports below that range are used only by servers that ask for them.

    Raises:
        OSError: there are not so many free ports.
    """
    low = int(RANGE.read_text().split()[0]) if RANGE.exists() else 32_768
    first = low - OWN if low > 1_024 + OWN else low
    found = []
    for port in random.SystemRandom().sample(range(first, first + OWN), OWN):
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            found.append(port)
            if len(found) == count:
                return found
    raise OSError(f"there are not {count} free ports from {first} to {first + OWN}; end what holds them")
