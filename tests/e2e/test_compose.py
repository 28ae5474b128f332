"""The compose file: its services, started as it says, give feedback. Needs no Docker engine."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import EndEvent, StateEvent
from cornerman_shared.settings.tree import RuntimeSettings, Settings, load_settings
from tests.e2e.compose import ROOT, ComposeError, LocalCompose, in_order, interpolate, load, seconds, stages

FILE = ROOT / "docker-compose.yml"
GPU = ROOT / "deploy" / "compose.gpu.yml"
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
TOKEN = "a-token-for-the-tests"
GIVEN = {"CORNERMAN_GATEWAY__TOKEN": TOKEN, "CORNERMAN_REDIS__PASSWORD": "a-password-for-the-tests"}
FAKES = {"CORNERMAN_ENCODER__BACKEND": "fake", "CORNERMAN_GENERATOR__BACKEND": "echo"}
FIRST_WORDS_S = 300.0
ROLES = {"capture", "encoder", "decider", "generator", "gateway"}


@contextmanager
def running(folder: Path, outside: dict[str, str], **scale: int) -> Iterator[LocalCompose]:
    """Runs the whole file until the block ends."""
    compose = LocalCompose(FILE, folder, outside, scale)
    try:
        compose.up()
        yield compose
    except BaseException:
        print(compose.logs())
        raise
    finally:
        compose.down()


async def ends(bus: Bus) -> AsyncIterator[EndEvent]:
    """Yields the ends of requests about the demo source."""
    async for _, event in bus.subscribe("demo", since="0"):
        if isinstance(event, EndEvent):
            yield event


async def feedback(compose: LocalCompose, count: int, within_s: float) -> list[EndEvent]:
    """The first `count` ends with text."""
    found: list[EndEvent] = []
    async with Bus.connect(load_settings({"redis": {"url": compose.redis_url}})) as bus, asyncio.timeout(within_s):
        events = ends(bus)
        async for end in events:
            if end.status == "done" and not end.silent:
                found.append(end)
                if len(found) == count:
                    break
        await events.aclose()  # type: ignore[attr-defined]
    return found


async def test_three_encoders_give_feedback(tmp_path: Path) -> None:
    with running(tmp_path, {**GIVEN, **FAKES}, encoder=3) as compose:
        assert len(compose.of("encoder")) == 3
        found = await feedback(compose, 2, within_s=FIRST_WORDS_S)
        assert all(end.text for end in found)
        url = f"http://127.0.0.1:{compose.ports['gateway']}"
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            async with asyncio.timeout(FIRST_WORDS_S):
                while (await client.get("/readyz")).status_code != 200:
                    await asyncio.sleep(0.2)
            assert (await client.get("/api/sources")).status_code == 401
            client.headers["Authorization"] = f"Bearer {TOKEN}"
            assert [source["source_id"] for source in (await client.get("/api/sources")).json()["sources"]] == ["demo"]
            # A worker that is too busy to renew its status is missing for a while.
            wanted = sorted([*ROLES, "encoder", "encoder"])
            async with asyncio.timeout(FIRST_WORDS_S):
                while sorted(each["role"] for each in (await client.get("/api/status")).json()["workers"]) != wanted:
                    await asyncio.sleep(0.2)
            assert 'cornerman_lag_entries{group="encoder"}' in (await client.get("/metrics")).text
        codes = await asyncio.to_thread(compose.down)
        assert codes == {name: [0] * (3 if name == "encoder" else 1) for name in codes}
        assert set(codes) == {*ROLES, "valkey", "valkey-blobs"}


async def test_defaults_give_feedback(tmp_path: Path) -> None:
    """Uses the bundled model, or the fakes if none is bundled."""
    with running(tmp_path, GIVEN) as compose:
        (end,) = await feedback(compose, 1, within_s=FIRST_WORDS_S)
        assert end.text
        async with Bus.connect(load_settings({"redis": {"url": compose.redis_url}})) as bus:
            states = [event.state async for event in _states(bus)]
        assert "playing" in states
        assert "failed" not in states


async def _states(bus: Bus) -> AsyncIterator[StateEvent]:
    """Yields states of the source up to the first end of a request."""
    async with asyncio.timeout(60):
        async for _, event in bus.subscribe("demo", since="0", block_ms=100):
            if isinstance(event, StateEvent):
                yield event
            if isinstance(event, EndEvent):
                return


@pytest.mark.parametrize("file", [FILE, GPU], ids=lambda file: file.name)
def test_file_follows_compose_specification(file: Path) -> None:
    command = [Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", file]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("missing", "words"),
    [("CORNERMAN_GATEWAY__TOKEN", "give at least 16"), ("CORNERMAN_REDIS__PASSWORD", "give 32 characters or more")],
)
def test_missing_secret_is_an_error(missing: str, words: str) -> None:
    given = {name: value for name, value in GIVEN.items() if name != missing}
    with pytest.raises(ComposeError, match=f"{missing} is missing a value: {words}"):
        load(FILE, given)


def test_servers_are_bounded_and_closed(services: dict[str, dict[str, Any]]) -> None:
    for name, kept, policy in (("valkey", "yes", "noeviction"), ("valkey-blobs", "no", "volatile-ttl")):
        command = services[name]["command"][-1]
        assert f"--appendonly {kept} " in command
        assert f"--maxmemory-policy {policy} " in command
        assert re.search(r"--maxmemory \dgb ", command)
        assert re.search(r'<<CONF\nrequirepass "\$\w+"\nCONF', command)
    assert "volumes" not in services["valkey-blobs"]


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    return load(FILE, GIVEN)


def test_only_gateway_publishes_a_port(services: dict[str, dict[str, Any]]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"gateway": ["127.0.0.1:8000:8000"]}


def test_services_have_no_fixed_name(services: dict[str, dict[str, Any]]) -> None:
    assert [name for name, service in services.items() if "container_name" in service or "hostname" in service] == []


def test_services_have_health_checks(services: dict[str, dict[str, Any]]) -> None:
    for name in ROLES:
        assert services[name]["healthcheck"]["test"] == ["CMD", "python", "-I", "-S", "deploy/healthy.py", name]
        assert services[name]["depends_on"]["valkey"]["condition"] == "service_healthy"
        assert services[name]["command"] == ["python", "-m", f"cornerman_{name}"]
        assert services[name]["restart"] == "unless-stopped"
    assert in_order(services)[0] == "valkey"


def test_stop_outlasts_the_drain(services: dict[str, dict[str, Any]]) -> None:
    for name in ROLES:
        drain_s = float(services[name]["environment"]["CORNERMAN_RUNTIME__DRAIN_S"])
        assert drain_s == RuntimeSettings().drain_s
        assert seconds(services[name]["stop_grace_period"]) >= drain_s + 3


def test_containers_drop_privileges(services: dict[str, dict[str, Any]]) -> None:
    for name in ROLES:
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
        assert "privileged" not in services[name]


def test_every_variable_is_a_setting() -> None:
    """A misspelled variable would be ignored silently."""
    known = {"CORNERMAN_REDIS_URL", "CORNERMAN_SOURCES", "CORNERMAN_CACHE"}
    for section, info in Settings.model_fields.items():
        for name in getattr(info.annotation, "model_fields", {}):
            known.add(f"CORNERMAN_{section.upper()}__{name.upper()}")
    compose_only = {"CORNERMAN_VERSION", "CORNERMAN_VIDEOS", "CORNERMAN_PUBLISH"}
    for file in (FILE, GPU, DOCKERFILE):
        assert (
            set(re.findall(r"CORNERMAN_[A-Z_]*[A-Z]", file.read_text(encoding="utf-8"))) - known - compose_only == set()
        )


def test_dockerfile_has_target_per_service(services: dict[str, dict[str, Any]]) -> None:
    found = {name: (parent, lines) for name, parent, lines in stages(DOCKERFILE)}

    def ancestry(name: str) -> Iterator[str]:
        while name in found:
            yield name
            name = found[name][0]

    for role in ROLES:
        assert services[role]["build"]["target"] == role
        lines = [line for stage in ancestry(role) for line in found[stage][1]]
        assert "USER cornerman" in lines
        assert json.dumps(services[role]["command"]) in next(line for line in lines if line.startswith("CMD"))
        check = next(line for line in lines if line.startswith("HEALTHCHECK"))
        assert check.endswith(f"CMD {json.dumps(services[role]['healthcheck']['test'][1:])}")
    with_torch = {name for name in found if "large" in ancestry(name)} - {"large"}
    assert with_torch == {"encoder", "generator", "decider-model"}


def test_image_installs_what_the_package_requires() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for extra, wanted in ((), project["dependencies"]), (("pose",), extras["pose"]), (("tracing",), extras["tracing"]):
        command = [sys.executable, str(ROOT / "deploy" / "requirements.py"), *extra]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        assert printed == wanted


def test_dockerfile_copies_existing_files() -> None:
    kept = {
        line[1:] for line in (DOCKERFILE.parent / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    for _, _, lines in stages(DOCKERFILE):
        for line in lines:
            if line.startswith("COPY ") and "--from=" not in line:
                for source in line.split()[1:-1]:
                    assert (ROOT / source).exists(), source
                    assert source in kept, source


def test_gpu_file_changes_known_services(services: dict[str, dict[str, Any]]) -> None:
    gpu = load(GPU, {})
    assert set(gpu) == {"encoder", "generator"} <= set(services)
    for name in gpu:
        assert gpu[name]["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]
        assert gpu[name]["environment"] == {f"CORNERMAN_{name.upper()}__DEVICE": "cuda"}


def test_torch_index_has_the_pinned_version() -> None:
    """The builds that PyTorch publishes of each version, by the matrix in its RELEASE.md."""
    builds = {"2.13": {"cpu", "cu126", "cu130", "cu132"}}
    (pinned,) = re.findall(r"^torch==(\d+\.\d+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    for file in (FILE, GPU, DOCKERFILE):
        named = re.findall(r"download\.pytorch\.org/whl/(\w+)", file.read_text(encoding="utf-8"))
        assert named and set(named) <= builds[pinned], file.name


def test_traces_are_off_until_asked_for(services: dict[str, dict[str, Any]]) -> None:
    collector = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://jaeger:4318"}
    for name in ROLES:
        passed_on = [key for key in services[name]["environment"] if key.startswith("OTEL_")]
        assert collector.keys() <= set(passed_on)
        assert all(services[name]["environment"][key] is None for key in passed_on)  # as outside, if set there


def test_variables_are_filled_in() -> None:
    given = {"A": "1", "EMPTY": ""}
    assert interpolate({"x": ["${A}/$A", "${B:-2}", "${EMPTY:-3}", "$$A", "${B}"]}, given) == {
        "x": ["1/1", "2", "3", "$A", ""]
    }
    with pytest.raises(ComposeError, match="B is missing a value: say it"):
        interpolate("${B:?say it}", given)
    assert seconds("1m30s") == 90.0


def test_failed_service_is_named(tmp_path: Path) -> None:
    compose = LocalCompose(FILE, tmp_path, {**GIVEN, "CORNERMAN_LOG__LEVEL": "loud"})
    try:
        with pytest.raises(ComposeError, match=r"(?s)ended with 78.*log\.level = 'loud'"):
            compose.up()
    finally:
        compose.down()
