"""A source is not set to what the running models cannot do: by the API and by `sources set`."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import httpx
import pytest

from cornerman_common.running_models import check_change
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import WorkerStatus
from cornerman_shared.bus.registry import get_source
from cornerman_shared.bus.workers import publish_status
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import Settings
from tests.integration.decider_harness import register
from tests.integration.gateway_harness import gateway
from tests.integration.service_harness import SOURCE
from tests.integration.waiting import PATIENCE_S

SPEC = SourceSpec(source_id=SOURCE, url="test://pattern")


def worker(role: str, backend: str) -> WorkerStatus:
    models = {"backend": backend, "model": ""}
    return WorkerStatus(role, f"{role}-1", 1, "host", "running", 1.0, 2.0, 1, 0, {}, models=models)


PICTURES = (worker("encoder", "mobile_videogpt"), worker("generator", "mobile_videogpt"))
POSES = (worker("encoder", "pose"), worker("generator", "mobile_videogpt"))
LOOKING = (worker("encoder", "mobile_videogpt"), worker("generator", "openai"))
FAKES = (worker("encoder", "fake"), worker("generator", "echo"))

WRONG = {
    "skeleton": (PICTURES, {"speak": {"strategy": "skeleton"}}, "reads landmarks of people"),
    "head": (FAKES, {"speak": {"strategy": "head"}}, "cannot read the features"),
    "llm": (FAKES, {"speak": {"strategy": "llm"}}, "action tokens"),
    "frames": (PICTURES, {"watch": {"look": "stride", "frames": 10}}, "reads 8 or 16 frames; give watch.frames=8 or"),
    "frames of skeletons": (POSES, {"watch": {"look": "poll"}}, "'pose' reads 8 frames"),
    "pictures": (LOOKING, {"watch": {"look": "poll", "frames": 64}}, "generator.max_images = 32; give fewer frames"),
    "look": (PICTURES, {"watch": {"look": "poll"}, "speak": {"strategy": "head"}}, "give speak.strategy=interval, or"),
    "adapter": (PICTURES, {"say": {"adapter": "/nope"}}, "adapter without its base"),
}


@pytest.mark.parametrize(("workers", "changes", "message"), WRONG.values(), ids=WRONG)
def test_wrong_change_is_refused(workers: Any, changes: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_change(SPEC, changes, Settings(), workers)


@pytest.mark.parametrize(
    ("workers", "changes"),
    [
        (PICTURES, {"speak": {"strategy": "head"}}),
        (PICTURES, {"watch": {"look": "poll"}, "speak": {"strategy": "interval"}}),
        (PICTURES, {"mode": "commentary", "speak": {"strategy": "scene"}}),
        (LOOKING, {"watch": {"look": "stride", "frames": 10}}),
        (FAKES, {"watch": {"look": "poll", "frames": 64}}),
        (FAKES, {"paused": True}),
        (FAKES, {"speak": {"gap_s": 1.0}}),
        (FAKES, {"speak": 1}),
        ((), {"speak": {"strategy": "skeleton"}}),
    ],
)
def test_other_change_is_left_alone(workers: Any, changes: Any) -> None:
    check_change(SPEC, changes, Settings(), workers)


async def test_entrances_refuse_wrong_change(bus: Bus, settings: Settings) -> None:
    await register(bus)
    before = await get_source(bus, SOURCE)
    for status in PICTURES:
        await publish_status(bus, status)
    wrong = {"speak": {"strategy": "skeleton"}}
    web = settings.model_copy(update={"gateway": settings.gateway.model_copy(update={"port": 0})})
    async with gateway(web, bus) as (address, _), httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client:
        refused = [
            await client.patch(f"/api/sources/{SOURCE}", json=wrong),
            await client.post("/api/sources", json={"source_id": "new", "url": "test://pattern", **wrong}),
        ]
        fine = await client.patch(f"/api/sources/{SOURCE}", json={"speak": {"strategy": "rules"}})
    assert [one.status_code for one in refused] == [422, 422]
    assert all("give encoder.backend=pose, or another strategy" in one.text for one in refused)
    assert (fine.status_code, await get_source(bus, "new")) == (200, None), fine.text
    command = (sys.executable, "-m", "cornerman", "sources", "set", SOURCE, "speak.strategy=skeleton")
    setting = await asyncio.create_subprocess_exec(
        *command, "--redis", bus.url, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    _, errors = await setting.communicate()
    after = await get_source(bus, SOURCE)
    assert setting.returncode == 78 and "reads landmarks of people" in errors.decode()
    assert before is not None and after is not None and after.speak.strategy == "rules"
