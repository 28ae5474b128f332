"""Whatever is sent to the API, it answers as its own description says, and never with a 5xx. Streams that have no
end are left out.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.registry import put_source
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import Settings
from tests.conftest import Server, fast_settings
from tests.integration.gateway_harness import Actor, gateway
from tests.integration.test_gateway_api import with_web
from tests.integration.waiting import until_true

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
)
# Answers that never end, and a body (application/sdp) that schemathesis cannot make: test_gateway_whip.py has those.
LEFT_OUT = r"/(events|video\.mjpeg|frame\.jpg|whip)$"


@pytest.fixture
async def settings(own_server: Server, tmp_path: Path) -> Settings:
    return fast_settings(own_server.url, tmp_path)


async def attack(url: str, folder: Path, *extra: str) -> tuple[int, str]:
    (folder / "schemathesis.toml").write_text('[parameters]\n"path.source_id" = "demo"\n' if "--known" in extra else "")
    line = [str(Path(sys.executable).parent / "schemathesis"), "run", f"{url}/openapi.json", "--no-color"]
    line += ["--checks", ",".join(CHECKS), "--exclude-path-regex", LEFT_OUT, "--max-examples", "8", "--seed", "1"]
    line += [
        "--phases",
        "coverage,fuzzing" if "--known" in extra else "fuzzing",
        "--request-timeout",
        "60",
        "--generation-database",
        "none",
    ]
    line += [item for item in extra if item != "--known"]
    process = await asyncio.create_subprocess_exec(
        *line, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("known", [True, False], ids=["a source that is there", "any source"])
async def test_fuzzed_requests_match_the_schema(settings: Settings, bus: Bus, tmp_path: Path, known: bool) -> None:
    actor = Actor(bus, "demo", chunk_s=0.2, say_every=2, latency_s=0.05, jitter_s=0.0, word_s=0.001)
    await actor.begin()
    playing = asyncio.create_task(actor.play())
    await put_source(bus, SourceSpec(source_id="other", url="test://pattern"))
    async with gateway(with_web(settings, writes_per_minute=10**6), bus) as (url, _):
        await until_true(lambda: actor.said)
        extra = ("--known", "--exclude-method", "DELETE") if known else ()
        code, out = await attack(url, tmp_path, *extra)
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    assert code == 0, out[-6000:]
    assert "Tested: " in out
