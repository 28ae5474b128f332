"""A camera that misbehaves at random plays again by itself, every time.

`make faults` runs the long form: 30 s of faults for each of ten seeds and both kinds of camera.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import time

import pytest

from cornerman_capture.source_decoder import SourceDecoder
from tests.faults.cameras import FAULTS, Misbehaving, serving_camera
from tests.integration.waiting import PATIENCE_S
from tests.integration.web_camera import PATIENT, live_decoder

LONG = os.environ.get("CORNERMAN_FAULTS") == "long"
SEEDS = 10 if LONG else 1
MISBEHAVES_S = 30.0 if LONG else 3.0
SETTINGS = PATIENT.model_copy(update={"stall_s": 0.5, "open_timeout_s": 3.0, "backoff_max_s": 0.3})
FRAMES = 15
"""So many new frames mean that it plays."""

NEEDED = {"rtsp": ("sound", "half open", "codec"), "http": ("stop", "garbage", "refuse")}
"""Faults that the short form tries at least."""


@pytest.mark.parametrize("kind", ["rtsp", "http"])
@pytest.mark.parametrize("number", range(SEEDS))
async def test_camera_plays_again_by_itself(kind: str, number: int) -> None:
    seed = int(os.environ.get("CORNERMAN_SEED") or secrets.randbelow(1_000_000)) + number
    print(f"CORNERMAN_SEED={seed}")
    rng = random.Random(f"{seed} {kind}")
    with serving_camera(kind) as (camera, url):
        decoder = live_decoder(url, SETTINGS)
        decoder.start()
        try:
            await plays(decoder, "the start")
            await misbehaves(camera, decoder, rng, list(NEEDED[kind]))
        finally:
            decoder.stop()
            assert decoder.join(PATIENCE_S)


async def misbehaves(camera: Misbehaving, decoder: SourceDecoder, rng: random.Random, needed: list[str]) -> None:
    """Fault after fault; after each, it must play again."""
    rng.shuffle(needed)
    left_s = MISBEHAVES_S
    while left_s > 0 or needed:
        fault = needed.pop() if needed else rng.choice(FAULTS)
        lasts_s = rng.uniform(0.1, 2.0 if LONG else 1.0)
        camera.begin(fault)
        await asyncio.sleep(lasts_s)
        camera.fault = ""
        await plays(decoder, f"{fault} for {lasts_s:.2f} s")
        left_s -= lasts_s


async def plays(decoder: SourceDecoder, after: str) -> None:
    """Waits until more frames have come, and it is said to play."""
    wanted = decoder.chunker.captured + FRAMES
    states: list[str] = []
    give_up_at_s = time.monotonic() + PATIENCE_S
    while decoder.chunker.captured < wanted or decoder.state.name != "playing":
        states += [f"{change.state} ({change.detail})" for change in decoder.poll_changes()]
        assert not decoder.state.over, f"after {after}: {states}"
        assert time.monotonic() < give_up_at_s, f"no {FRAMES} frames after {after}: {states}"
        await asyncio.sleep(0.02)
