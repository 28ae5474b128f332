"""The launcher with real child processes: logs, restarts, outages, and stopping in order."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from cornerman.local.child import describe_exit
from cornerman.local.launcher import Launcher
from cornerman.local.outages import publish_outages
from cornerman.local.restarts import Restarts
from cornerman.local.run_output import RunOutput
from cornerman.local.server_choice import ServerChoice
from cornerman.local.service_host import host_services
from cornerman.local.workers import served_roles
from cornerman_common.running_models import running_models
from cornerman_shared.aio import background
from cornerman_shared.backoff import Backoff
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.system_health import system_health
from cornerman_shared.bus.workers import list_workers
from cornerman_shared.errors import ConfigError, FatalError
from cornerman_shared.settings.tree import Settings
from tests.integration.waiting import until

CHILDREN = {
    "steady": "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: (print('bye'), sys.exit(0)))\n"
    "print('hello')\ntime.sleep(600)\n",
    "stubborn": "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('hello')\ntime.sleep(600)\n",
    "crashing": "import sys\nprint('about to crash')\nsys.exit(70)\n",
    "misconfigured": "import sys\nprint('batch = 0')\nsys.exit(78)\n",
    "refusing": 'import sys\nprint(\'{"event": "settings_are_wrong", "message": "batch = 0"}\')\nsys.exit(78)\n',
    "printing": "import os, time\nprint('batch', os.environ['CORNERMAN_ENCODER__BATCH'])\n"
    "print('name', os.environ['CORNERMAN_RUNTIME__NAME'])\nprint('x' * 200_000)\ntime.sleep(600)\n",
}


def quick_restarts(backoff: Backoff, pause_s: float = 0.02, within_s: float = 60.0) -> Restarts:
    """A policy with short waits; after one restart the child is down."""
    return Restarts(Backoff(0.01, 0.01), _Longest(pause_s), most=1, within_s=within_s)


class _Longest(Backoff):
    """Waits as long as it may."""

    def __init__(self, pause_s: float) -> None:
        super().__init__(pause_s, pause_s)

    def next_s(self) -> float:
        super().next_s()
        return self.cap_s


class Log:
    """Lines of the launcher, and waiting for them."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, role: str, line: str) -> None:
        self.lines.append((role, line))

    async def until(self, text: str, times: int = 1, within_s: float = 60.0) -> None:
        async with asyncio.timeout(within_s):
            while sum(text in line for _, line in self.lines) < times:
                await asyncio.sleep(0.01)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    folder = tmp_path / "fake_services"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    for name, code in CHILDREN.items():
        (folder / f"{name}.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "fake_services."


@pytest.fixture
def log() -> Log:
    return Log()


async def test_children_run_until_stopped(package: str, log: Log) -> None:
    launcher = Launcher({"steady": 2}, {}, log, package)
    async with launcher.running():
        await log.until("hello", times=2)
        pids = [child.pid for child in launcher.children]
        assert len({child.name for child in launcher.children}) == 2
        assert await launcher.stop(["steady"], within_s=60.0)
    assert log.lines.count(("steady", "bye")) == 2
    assert not any(pid is not None and psutil.pid_exists(pid) for pid in pids)


async def test_settings_reach_a_child(package: str, log: Log) -> None:
    launcher = Launcher({"printing": 1}, {"encoder": {"batch": 7}}, log, package)
    async with launcher.running():
        await log.until("x" * 200_000)
    assert ("printing", "batch 7") in log.lines
    assert ("printing", f"name {launcher.children[0].name}") in log.lines


async def test_stubborn_child_is_killed(package: str, log: Log) -> None:
    launcher = Launcher({"stubborn": 1}, {}, log, package)
    async with launcher.running():
        await log.until("hello")
        began = time.monotonic()
        assert not await launcher.stop(["stubborn"], within_s=0.3)
        assert time.monotonic() - began < 60.0  # the child sleeps for ten minutes


async def test_later_role_waits_its_turn(package: str, log: Log) -> None:
    """On two cores the generator's imports took the time of those that a decision waits for."""
    launcher = Launcher({"steady": 1, "printing": 1}, {"encoder": {"batch": 7}}, log, package, later=["printing"])
    async with launcher.running():
        await log.until("hello")
        assert launcher.of("printing")[0].pid is None and not launcher.down()
        launcher.start_later()
        await log.until("batch 7")
        assert await launcher.stop(within_s=60.0)


async def test_waiting_child_can_be_stopped(package: str, log: Log) -> None:
    launcher = Launcher({"steady": 1, "printing": 1}, {}, log, package, later=["printing"])
    async with launcher.running():
        await log.until("hello")
        assert await launcher.stop(within_s=60.0)
    assert not any(role == "printing" for role, _ in log.lines)


async def test_killed_child_is_restarted(package: str, log: Log) -> None:
    launcher = Launcher({"steady": 1}, {}, log, package)
    async with launcher.running():
        await log.until("hello")
        launcher.children[0].signal(signal.SIGKILL)
        await log.until("was killed by SIGKILL; starting it again")
        await log.until("hello", times=2)
        assert not launcher.failure.done()
        await launcher.stop(["steady"], within_s=60.0)


async def test_crashing_child_is_tried_again(package: str, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cornerman.local.launcher.Restarts", quick_restarts)
    launcher = Launcher({"crashing": 1, "steady": 1}, {}, log, package)
    async with launcher.running():
        await log.until("hello")
        await log.until("it is down, the next try is in", times=3)
        outage = launcher.down()["crashing"]
        assert outage.reason == "crashing ended with exit code 70, again and again; its last line: about to crash"
        assert set(launcher.down()) == {"crashing"}
        assert not launcher.failure.done()
        assert launcher.of("steady")[0].pid is not None
        with pytest.raises(FatalError, match="crashing ended with exit code 70"):
            launcher.check_started(["steady", "crashing"])
        launcher.check_started(["steady"])
        await launcher.stop(within_s=60.0)


async def test_long_life_ends_an_outage(package: str, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cornerman.local.launcher.Restarts", lambda backoff: quick_restarts(backoff, within_s=0.05))
    launcher = Launcher({"steady": 1}, {}, log, package)
    child = launcher.children[0]
    child.down("steady was killed", time.monotonic())
    async with launcher.running():
        async with asyncio.timeout(60.0):
            while launcher.down():
                await asyncio.sleep(0.01)
        await launcher.stop(within_s=60.0)


async def test_outage_reaches_the_bus(package: str, log: Log, bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cornerman.local.launcher.Restarts", lambda backoff: quick_restarts(backoff, pause_s=600.0))
    launcher = Launcher({"crashing": 1}, {}, log, package)

    async def told() -> bool:
        return any(problem.what == "crashing" for problem in (await system_health(bus)).problems)

    async with launcher.running(), background(publish_outages(bus, launcher)):
        await until(told)
        await launcher.stop(within_s=60.0)
    found = {problem.what: problem.reason for problem in (await system_health(bus)).problems}
    assert found["crashing"].endswith("its last line: about to crash")
    assert found["encoder"] == "no process of it runs; start it with `cornerman up`"


async def test_loading_children_are_announced(package: str, log: Log, bus: Bus) -> None:
    """`run` on another machine loaded an encoder of its own meanwhile, of another model."""
    launcher = Launcher({"encoder": 1, "steady": 1}, {}, log, package, later=("encoder",))

    async def told() -> bool:
        return bool(await list_workers(bus))

    async with launcher.running(), background(publish_outages(bus, launcher)):
        await until(told)
        workers = await list_workers(bus)
        await launcher.stop(within_s=60.0)
    assert served_roles(workers) == {"encoder"}
    encoder = bus.settings.encoder
    assert running_models(workers) == {"encoder": {"backend": encoder.backend, "model": encoder.model}}


async def test_late_service_does_not_end_up(package: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that hangs while it starts is named; the others go on until `up` is stopped."""
    said: list[str] = []
    output = RunOutput(as_json=False, progress=False)
    for name in ("note", "complain"):
        monkeypatch.setattr(output, name, said.append)
    monkeypatch.setattr("cornerman.local.service_host.READY_S", 0.1)
    monkeypatch.setattr("cornerman.local.service_host.Launcher", partial(Launcher, package=package))
    hosting = asyncio.create_task(host_services(ServerChoice(settings, {}, None), {"steady": 1}, output, ""))

    async def is_up() -> bool:
        return any(line.startswith("running on") for line in said)

    await until(is_up)
    assert any("not ready within 0.1 s: steady" in line for line in said)
    assert not hosting.done()
    os.kill(os.getpid(), signal.SIGTERM)
    await hosting


async def test_wrong_setting_is_not_retried(package: str, log: Log) -> None:
    launcher = Launcher({"misconfigured": 1}, {}, log, package)
    async with launcher.running():
        error = await asyncio.wait_for(launcher.failure, 100)
    reason = str(error)
    assert isinstance(error, ConfigError)
    assert "ended with exit code 78: a setting is wrong" in reason
    assert "batch = 0" in reason
    assert len(log.lines) == 1


async def test_refused_setting_is_told_once(package: str, log: Log) -> None:
    """The log line and the command's error said the same, and the exit code was 70."""
    launcher = Launcher({"refusing": 1}, {}, log, package)
    async with launcher.running():
        error = await asyncio.wait_for(launcher.failure, 100)
    assert (type(error), str(error), log.lines) == (ConfigError, "refusing: batch = 0", [])


async def test_failed_body_leaves_no_child(package: str, log: Log) -> None:
    launcher = Launcher({"stubborn": 1}, {}, log, package)
    with pytest.raises(BaseExceptionGroup) as caught:
        async with launcher.running():
            await log.until("hello")
            raise ValueError("boo")
    assert caught.group_contains(ValueError)
    assert launcher.children[0].pid is None


def test_children_die_with_the_launcher(package: str, tmp_path: Path) -> None:
    script = (
        "import asyncio\nfrom cornerman.local.launcher import Launcher\n"
        "async def main():\n"
        "    launcher = Launcher({'steady': 1}, {}, lambda role, line: print(launcher.children[0].pid, flush=True),"
        f" {package!r})\n"
        "    async with launcher.running():\n        await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        child = psutil.Process(int(owner.stdout.readline()))
        os.kill(owner.pid, signal.SIGKILL)
        owner.wait()
        deadline = time.monotonic() + 60
        while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, "the child outlived its launcher"
            time.sleep(0.02)


@pytest.mark.parametrize(
    ("code", "words"), [(0, "ended with exit code 0"), (-9, "was killed by SIGKILL"), (-99, "was killed by signal 99")]
)
def test_exit_is_described(code: int, words: str) -> None:
    assert describe_exit(code) == words
