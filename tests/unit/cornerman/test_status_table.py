"""A snapshot as a JSON object and as tables."""

from dataclasses import replace
from io import StringIO

from rich.console import Console

from cornerman.local.counts import SourceCounts
from cornerman.local.snapshot import Snapshot, SourceStatus
from cornerman.local.status_table import status_tables
from cornerman_shared.bus.lag import Lag
from cornerman_shared.bus.messages import WorkerStatus
from cornerman_shared.bus.server_memory import ServerMemory
from cornerman_shared.bus.system_health import HealthProblem, SystemHealth
from cornerman_shared.settings.source import SourceSpec

MEMORY = ServerMemory(1 << 20, 0, "noeviction")
SPEC = SourceSpec(source_id="cam1", url="rtsp://me:secret@cam/live")
WORKER = WorkerStatus("encoder", "w1", 42, "host", "running", 100.0, 199.5, 200 * 2**20, 3)


def snapshot(at_s: float = 200.0, captured: int = 600, published: int = 40) -> Snapshot:
    counts = SourceCounts(captured=captured, published=published, dropped={"no_credit": 7, "late": 0})
    source = SourceStatus(SPEC, "playing", "", (2, 4), counts)
    return Snapshot(at_s, [WORKER], {"chunks": Lag(5, 2)}, 1, [source], MEMORY)


def shown(now: Snapshot, before: Snapshot | None = None) -> str:
    out = StringIO()
    Console(file=out, width=160).print(status_tables(now, before))
    return out.getvalue()


def test_object_hides_passwords() -> None:
    status = snapshot().to_dict()
    assert status["workers"][0]["role"] == "encoder"
    assert status["streams"] == {"chunks": {"waiting": 5, "pending": 2}}
    assert status["dead_letters"] == 1
    assert status["sources"]["cam1"]["url"] == "rtsp://***@cam/live"
    assert (status["sources"]["cam1"]["credit_used"], status["sources"]["cam1"]["captured"]) == (2, 600)


def test_tables_show_workers_and_sources() -> None:
    text = shown(snapshot())
    for wanted in (
        "encoder",
        "200 MiB",
        "1m40s",
        "chunks 5 waiting, 2 in hand",
        "2/4",
        "7 no_credit",
        "1 dead letters",
    ):
        assert wanted in text
    assert "late" not in text


def test_degraded_system_names_its_problems() -> None:
    health = SystemHealth((HealthProblem("generator", "killed by SIGKILL, again and again"),))
    now = replace(snapshot(), health=health)
    assert "degraded: generator: killed by SIGKILL, again and again" in shown(now)
    assert now.to_dict()["health"] == {
        "state": "degraded",
        "problems": [{"what": "generator", "reason": "killed by SIGKILL, again and again"}],
    }


def test_rates_need_two_snapshots() -> None:
    text = shown(snapshot(202.0, 660, 44), snapshot(200.0, 600, 40))
    assert "30.0" in text
    assert "2.0" in text


def test_idle_system_names_commands() -> None:
    text = shown(Snapshot(200.0, [], {}, 0, [], MEMORY))
    assert "cornerman up" in text
    assert "cornerman sources add" in text


def test_full_server_is_told_first() -> None:
    full = ServerMemory(100 << 20, 100 << 20, "noeviction")
    health = SystemHealth((HealthProblem("server", full.fault),))
    text = shown(Snapshot(200.0, [], {}, 0, [], full, health))
    assert text.startswith("degraded: server: the server is full (100 of 100 MiB) and refuses writes; raise maxmemory")
