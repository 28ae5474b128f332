"""Ports for servers that are started by their number."""

from __future__ import annotations

import random
import socket
from contextlib import suppress
from pathlib import Path

RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
OWN = 10_000
"""How many ports below the system's own range are drawn from."""


def free_port() -> int:
    """A port of 127.0.0.1 that is free, and that the system gives to nobody by itself."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """So many, all different.

    A port that the system has just handed out (`bind` to 0) may be handed out again, to any connection that anybody
    opens, before its server is there. These are from below that range: only a server that asks for one gets it.
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
