"""One choice of models for every entrance, read from running processes and printed as a table."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from cornerman import Coach
from cornerman_common.abilities import Abilities
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.registry import get_source, list_sources
from cornerman_shared.bus.workers import list_workers
from cornerman_shared.settings.source import SourceSpec
from tests.conftest import Server, fast_settings
from tests.e2e.commands import FAST, PATIENCE_S, Command
from tests.e2e.ports import free_port
from tests.integration.waiting import until

ROOT = Path(__file__).parents[2]
LONG = "test://pattern?seconds=3000"
OWN_DECIDER = {"poll": "interval", "comment": "scene"}
"""Entrances whose mode is a decider of its own; the models are the same."""

Row = tuple[str, str, str, float, str]


async def running(bus: Bus) -> tuple[str, str, str]:
    """Encoder, generator and abilities, as the processes report them."""

    async def reported() -> dict[str, dict[str, str]] | None:
        found = {worker.role: worker.models for worker in await list_workers(bus) if worker.models}
        return found if {"encoder", "generator"} <= found.keys() else None

    found = await until(reported, PATIENCE_S)
    parts = [f"{found[role]['backend']}:{found[role]['model'] or 'bundled'}" for role in ("encoder", "generator")]
    return parts[0], parts[1], Abilities.of(json.loads(found["generator"]["abilities"]), "generator").in_words()


async def registered(bus: Bus, source_id: str) -> SourceSpec:
    spec: SourceSpec = await until(lambda: get_source(bus, source_id), PATIENCE_S)
    return spec


def stopped(command: Command) -> None:
    command.process.send_signal(signal.SIGINT)
    command.process.communicate(timeout=PATIENCE_S)


@pytest.mark.timeout(900)
async def test_every_entrance_has_one_choice(
    cornerman: Callable[..., Command], own_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # Without weights of landmarks; which coach people get is in tests/unit/common/test_pose_choice.py.
    monkeypatch.setenv("CORNERMAN_CACHE", str(tmp_path / "cache"))
    redis = ("--redis", own_server.url)
    port = free_port()
    up = cornerman("up", *redis, "--port", str(port), *FAST)
    rows: dict[str, Row] = {}
    async with Bus.connect(fast_settings(own_server.url, tmp_path)) as bus:
        await bus.ready(60)
        encoder, generator, abilities = await running(bus)

        def row(spec: SourceSpec) -> Row:
            return encoder, spec.speak.strategy, generator, spec.speak.confidence_threshold, abilities

        added = cornerman("sources", "add", LONG, "--id", "added", *redis)
        await asyncio.to_thread(added.process.communicate, None, PATIENCE_S)
        assert added.process.returncode == 0
        rows["sources add"] = row(await registered(bus, "added"))

        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as web:

            async def served() -> bool:
                try:
                    return (await web.get("/livez")).status_code == 200
                except httpx.HTTPError:
                    return False

            await until(served, PATIENCE_S)
            posted = await web.post("/api/sources", json={"source_id": "posted", "url": LONG})
            assert posted.status_code == 201, posted.text
            rows["API"] = row(await registered(bus, "posted"))
            shown = (await web.get("/api/models")).json()
            parts = [f"{shown[name]['backend']}:bundled" for name in ("encoder", "generator")]
            rows["page"] = (
                *(parts[0], shown["decider"]["backend"], parts[1]),
                *(shown["gate"]["confidence_threshold"], shown["abilities_text"]),
            )
            profiles = (await web.get("/api/profiles")).json()["profiles"]
            assert [one["name"] for one in profiles if not one["refused"]] == ["coach"]

        for name in ("run", "poll", "comment"):
            before = set(await list_sources(bus))
            command = cornerman(name, LONG, *redis, *(["--output-dir", "polls"] if name == "poll" else []))

            async def new(before: set[str] = before) -> set[str]:
                return set(await list_sources(bus)) - before

            (source_id,) = await until(new, PATIENCE_S)
            rows[name] = row(await registered(bus, source_id))
            await asyncio.to_thread(stopped, command)

        made = [sys.executable, str(ROOT / "deploy/defaults.py")]
        image = await asyncio.to_thread(subprocess.run, made, capture_output=True, check=True)
        (tmp_path / "image.yaml").write_bytes(image.stdout)
        environment = {**os.environ, "CORNERMAN_REDIS_URL": own_server.url, "CORNERMAN_CONFIG": "image.yaml"}
        # Capture adds the sources of a deployment.
        capture = [sys.executable, "-m", "cornerman_capture"]
        container = await asyncio.create_subprocess_exec(*capture, env=environment, stderr=subprocess.DEVNULL)
        rows["compose"] = row(await registered(bus, "demo"))
        container.terminate()
        await container.wait()
    stopped(up)
    with Coach() as coach:
        choice = coach.choice
        rows["engine"] = (
            *(f"{choice.encoder.backend}:bundled", choice.decider.backend, f"{choice.generator.backend}:bundled"),
            *(choice.gate["confidence_threshold"], choice.abilities.in_words()),
        )
    print(table(rows))
    wanted = rows["engine"]
    assert wanted[:4] == ("mobile_videogpt:bundled", "head", "mobile_videogpt:bundled", 0.75)
    for name, found in rows.items():
        assert found == (wanted[0], OWN_DECIDER.get(name, wanted[1]), *wanted[2:]), name


def table(rows: dict[str, Row]) -> str:
    """The rows as Markdown."""
    head = "| entrance | encoder | decider | generator | threshold | abilities |\n|---|---|---|---|---|---|\n"
    return head + "\n".join(f"| {name} | {' | '.join(map(str, row))} |" for name, row in rows.items())
