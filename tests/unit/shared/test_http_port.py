"""Probes and metrics of a worker over HTTP, and the probe of a container that reads a file."""

import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from cornerman_shared.clock import VirtualClock
from cornerman_shared.errors import ConfigError
from cornerman_shared.process.health import Health
from cornerman_shared.process.http_port import ALIVE_S, serve_http
from cornerman_shared.process.metrics import Metrics
from cornerman_shared.settings.tree import RuntimeSettings

SCRIPT = Path(__file__).parents[3] / "deploy" / "healthy.py"


def at(port: int, host: str = "127.0.0.1") -> RuntimeSettings:
    return RuntimeSettings(metrics_port=port, metrics_host=host)


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_port_is_served_until_stopped(unused_tcp_port: int) -> None:
    metrics, health = Metrics(), Health("capture", "w1", VirtualClock())
    metrics.frames_total.labels("captured").inc(7)
    stop = serve_http(at(unused_tcp_port), metrics, health)
    status, text = get(unused_tcp_port, "/metrics")
    assert (status, 'cornerman_frames_total{kind="captured"} 7.0' in text) == (200, True)
    assert get(unused_tcp_port, "/nothing")[0] == 404
    with pytest.raises(ConfigError, match=f"metrics_port = {unused_tcp_port}"):
        serve_http(at(unused_tcp_port), metrics, health)
    stop()
    serve_http(at(unused_tcp_port), metrics, health)()


def test_port_listens_where_told(unused_tcp_port: int) -> None:
    health = Health("capture", "w1", VirtualClock())
    stop = serve_http(at(unused_tcp_port), Metrics(), health)
    own = [each for each in psutil.Process().net_connections("tcp") if each.laddr.port == unused_tcp_port]
    assert {each.laddr.ip for each in own} == {"127.0.0.1"}
    stop()
    with pytest.raises(ConfigError, match=r"metrics_host = '192\.0\.2\.1'.*an address of this machine"):
        serve_http(at(unused_tcp_port, "192.0.2.1"), Metrics(), health)


def test_probes_follow_state_and_age(unused_tcp_port: int) -> None:
    clock = VirtualClock()
    health = Health("encoder", "w1", clock)
    stop = serve_http(at(unused_tcp_port), Metrics(), health)
    answers = {}
    for state in ("starting", "running", "draining", "unhealthy"):
        health.set_state(state)  # type: ignore[arg-type]
        answers[state] = (get(unused_tcp_port, "/livez")[0], get(unused_tcp_port, "/readyz")[0])
    assert answers == {"starting": (200, 503), "running": (200, 200), "draining": (200, 503), "unhealthy": (503, 503)}
    health.set_state("running")
    clock.advance(ALIVE_S + 1)
    assert get(unused_tcp_port, "/livez") == (503, "encoder wrote its health 61 s ago: it hangs\n")
    health.write()
    assert get(unused_tcp_port, "/livez") == (200, "ok\n")
    stop()


def test_script_reads_the_health_file(tmp_path: Path) -> None:
    def answer() -> int:
        command = [sys.executable, "-I", "-S", str(SCRIPT), "encoder"]
        return subprocess.run(command, env={"CORNERMAN_RUNTIME__DIR": str(tmp_path)}, capture_output=True).returncode

    health = Health("encoder", "w1", VirtualClock(), tmp_path)
    answers = {"none": answer()}
    for state in ("starting", "running", "draining", "unhealthy"):
        health.set_state(state)  # type: ignore[arg-type]
        health.write()
        answers[state] = answer()
    assert answers == {"none": 1, "starting": 1, "running": 0, "draining": 0, "unhealthy": 1}


def test_script_imports_nothing_slow() -> None:
    code = f"import sys; sys.argv = ['x', 'nobody']\ntry: exec(open({str(SCRIPT)!r}).read())\nexcept SystemExit: pass\n"
    code += "print(len(sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    bare = [sys.executable, "-I", "-S", "-c", "import sys, os; print(len(sys.modules))"]
    assert (
        int(done.stdout.split()[-1]) <= int(subprocess.run(bare, capture_output=True, text=True, check=True).stdout) + 1
    )
