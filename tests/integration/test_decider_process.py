"""Encoder, decider and generator as processes: chunks in at one end, text out at the other."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cornerman_shared.bus.codec import pack
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import Chunk, DecisionEvent, EndEvent, StateEvent, Times
from cornerman_shared.bus.registry import add_source
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.settings.source import SourceSpec

CHUNKS = 20
Processes = dict[str, subprocess.Popen[bytes]]


def start(role: str, bus: Bus, folder: Path, *options: str) -> subprocess.Popen[bytes]:
    settings = [f"runtime.dir={folder}", "bus.block_ms=50", "bus.heartbeat_ms=100", *options]
    flags = [flag for setting in settings for flag in ("--set", setting)]
    command = [sys.executable, "-m", f"cornerman_{role}", "--redis", bus.settings.redis.url, *flags]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CORNERMAN_")}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)


@pytest.fixture
def processes(bus: Bus, tmp_path: Path) -> Iterator[Processes]:
    """One process of each role, with the fake back ends."""
    started = {role: start(role, bus, tmp_path) for role in ("encoder", "decider", "generator")}
    yield started
    for process in started.values():
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.timeout(300)
async def test_three_processes_turn_chunks_into_text(bus: Bus, processes: Processes) -> None:
    keys = bus.keys("cam")
    speak = {"strategy": "rules", "every_chunks": 5, "min_interval_s": 0}
    await add_source(bus, SourceSpec(source_id="cam", url="test://", speak=speak))
    random = np.random.default_rng(0)
    for seq in range(CHUNKS + 1):
        end = seq == CHUNKS
        pixels = random.integers(0, 256, (8, 20, 30, 3), np.uint8)
        frames = None if end else await bus.put_blob(keys.blob("cam", "r1", seq, "frames"), pixels, 60)
        pts = tuple(seq * 0.5 + i / 8 for i in range(8))
        chunk = Chunk("cam", "r1", seq, pts[-1], pts, 0.1, True, end, frames, False, Times(captured_at_s=1.0))
        await bus.redis.xadd(keys.chunks, {FIELD: pack(chunk)})
    decisions, ends, ended = [], [], False
    async with asyncio.timeout(100):
        async for _, event in bus.subscribe("cam", since="0"):
            if isinstance(event, DecisionEvent):
                decisions.append(event.seq)
            elif isinstance(event, EndEvent):
                ends.append(event)
            elif isinstance(event, StateEvent):
                ended = event.state == "ended"
            if ended and len(ends) == CHUNKS // 5:
                break
    assert decisions == list(range(CHUNKS))
    assert [end.status for end in ends] == ["done"] * 4
    assert ends[0].text.startswith("feedback at 2.88 s, chunks 2-4:")
    raw = await bus.redis.hgetall(keys.counters("cam"))
    counts = {name.decode(): int(value) for name, value in raw.items()}
    assert counts == {"decided": CHUNKS, "requests": 4, "feedback": 4}
    for process in processes.values():
        process.send_signal(signal.SIGTERM)
    codes = {role: await asyncio.to_thread(process.wait, 60) for role, process in processes.items()}
    assert codes == {"encoder": 0, "decider": 0, "generator": 0}
    assert not [key async for key in bus.redis.scan_iter(match="*:frames")]


@pytest.mark.timeout(300)  # it may have to load torch before it can refuse
@pytest.mark.parametrize(
    ("role", "option", "message"),
    [
        ("encoder", "encoder.backend=mobile_videogpt,encoder.model=./nowhere", "encoder.model = './nowhere'"),
        ("generator", "generator.backend=openai,generator.model=m", "generator.base_url = ''"),
    ],
)
async def test_unloadable_model_ends_process(bus: Bus, tmp_path: Path, role: str, option: str, message: str) -> None:
    process = start(role, bus, tmp_path, *option.split(","))
    _, errors = await asyncio.to_thread(process.communicate, None, 240)
    assert process.returncode == 78
    assert message in errors.decode()
