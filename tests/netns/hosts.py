"""Network namespaces as hosts, joined by a bridge in one of its own; nothing of the machine's network changes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.faults.service_group import ROOT

BUS_ADDRESS = "10.77.0.1"
PORT = 6379
SLOW_PORT = 6390  # the same server, behind the delaying proxy


class NotPermittedError(Exception):
    """This machine lets us make no network namespaces."""


def run(*line: str) -> str:
    """Runs a command; returns what it prints.

    Raises:
        RuntimeError: it failed; with its message.
    """
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(line)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


class Network:
    """Hosts on one switch. Close it in every case.

    Args:
        hosts: their names; the first one has `BUS_ADDRESS`.

    Raises:
        NotPermittedError: says what failed and what is needed.
    """

    def __init__(self, *hosts: str) -> None:
        self._prefix = f"cm{os.getpid()}-"
        self._made: list[str] = []
        self._ends = {host: number for number, host in enumerate(hosts, 1)}
        try:
            self._add("switch")
            self._in("switch", "ip", "link", "add", "br0", "type", "bridge")
            self._in("switch", "ip", "link", "set", "br0", "up")
            for host in hosts:
                self._join(host)
                self._in(host, "iptables", "-L", "-n")
        except (RuntimeError, FileNotFoundError) as error:
            self.close()
            raise NotPermittedError(
                f"network namespaces cannot be used here ({error}); run this as root, with iproute2 and iptables"
            ) from error
        except BaseException:  # Ctrl-C: who made it has nothing to close yet
            self.close()
            raise

    def _add(self, host: str) -> None:
        run("ip", "netns", "add", self.name(host))
        self._made.append(host)
        self._in(host, "ip", "link", "set", "lo", "up")

    def _join(self, host: str) -> None:
        number = self._ends[host]
        self._add(host)
        ends = ("name", f"s{number}", "netns", self.name("switch"))
        run("ip", "link", "add", "eth0", "netns", self.name(host), "type", "veth", "peer", *ends)
        self._in("switch", "ip", "link", "set", f"s{number}", "master", "br0", "up")
        self._in(host, "ip", "addr", "add", f"10.77.0.{number}/24", "dev", "eth0")
        self._in(host, "ip", "link", "set", "eth0", "up")

    def name(self, host: str) -> str:
        """Name of the host's namespace."""
        return f"{self._prefix}{host}"

    def inside(self, host: str) -> list[str]:
        """Words before a command line that run it on the host."""
        return ["ip", "netns", "exec", self.name(host)]

    def _in(self, host: str, *line: str) -> str:
        return run(*self.inside(host), *line)

    def lose(self, host: str, probability: float) -> None:
        """Drops packets to and from the host at random."""
        for chain in ("INPUT", "OUTPUT"):
            rule = ("-m", "statistic", "--mode", "random", "--probability", str(probability), "-j", "DROP")
            self._in(host, "iptables", "-A", chain, "!", "-i" if chain == "INPUT" else "-o", "lo", *rule)

    def cut_off(self, host: str) -> None:
        """Drops every packet to and from the host; connections stay open, as behind a broken switch."""
        for chain, side in (("INPUT", "-i"), ("OUTPUT", "-o")):
            self._in(host, "iptables", "-I", chain, side, "eth0", "-j", "DROP")

    def heal(self, host: str) -> None:
        """Ends loss and partition."""
        self._in(host, "iptables", "-F")

    def limit(self, host: str, mbit: float) -> None:
        """Bounds what the host sends, megabits a second."""
        rate = ("rate", f"{mbit}mbit", "burst", "64kb", "latency", "200ms")
        self._in(host, "tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", *rate)

    def sent_bytes(self, host: str) -> int:
        """Bytes that the host has sent."""
        return int(self._in(host, "cat", "/sys/class/net/eth0/statistics/tx_bytes"))

    def close(self) -> None:
        """Removes every namespace, and with it its interfaces and rules."""
        for host in reversed(self._made):
            subprocess.run(["ip", "netns", "del", self.name(host)], capture_output=True, check=False)
        self._made.clear()


class BusHost:
    """The server on its host, and a proxy there that delays every reply and request.

    Args:
        network: with a host `bus`.
        binary: of the server.
        folder: for its socket, which the test itself uses.
        delay_ms: of the proxy, each way.
    """

    def __init__(self, network: Network, binary: Path, folder: Path, delay_ms: float) -> None:
        self._socket = folder / "bus.sock"
        inside = network.inside("bus")
        options = f"--port {PORT} --bind {BUS_ADDRESS} --protected-mode no --dir {folder} --unixsocket {self._socket}"
        self._processes = [
            subprocess.Popen([*inside, str(binary), *options.split(), "--save", ""], stdout=subprocess.DEVNULL),
            subprocess.Popen(
                [*inside, sys.executable, "-m", "tests.netns.slow", str(self._socket), str(delay_ms)], cwd=ROOT
            ),
        ]

    @property
    def url(self) -> str:
        """For the test, which is on no host."""
        return f"unix://{self._socket}"

    def close(self) -> None:
        for process in self._processes:
            process.terminate()
            process.wait(timeout=60)
