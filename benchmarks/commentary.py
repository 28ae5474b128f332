"""Commentary on a looped film that stands still for more than half of the time: does it talk only when it should?

    python -m benchmarks.commentary [--minutes 30] [--preset sentry] [--video PATH --still FROM-TO ...]

The product's own services watch the film as a live source; a slow model (`benchmarks.slow_model`) speaks. A new
instruction is given at fixed times, mostly into a running answer. Prints figures and checks as JSON; the exit code is 1
if a check fails: memory grows, a line comes twice in a row, something is said while the picture stands still, or an
instruction takes longer than 300 ms from being sent to the start of its own answer.

The streams of events hold `EVENTS_KEPT` instead of the default of `bus.feedback_maxlen`, so that they are full within
the first quarter of half an hour: whatever grows after that has no bound.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np

from benchmarks.slow_model import SlowModel, slow_model
from benchmarks.soak import production_times, summarise, watch
from cornerman_common.profile_library import ProfileLibrary
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import DeltaEvent, EndEvent, StartEvent
from cornerman_shared.bus.registry import add_source, changed, update_source
from cornerman_shared.bus.server_binary import find_binary
from cornerman_shared.bus.subscribe import follow
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import load_settings
from tests.conftest import Server
from tests.faults.service_group import ServiceGroup, counters

SOURCE = "film"
INSTRUCT_S = 14.0
"""Between two instructions; not a divisor of the film's length, so that they fall everywhere."""
WITHIN_MS = 300.0
SETTLED_S = 10.0
"""Media time after a picture has begun to stand still in which its last change may still be commented on."""
EVENTS_KEPT = 1_000
GROWTH = 0.03
"""Growth of a process from the second to the last quarter of the run that counts as growth, of its memory."""
FPS, SIZE = 15, (320, 240)
SCENES = ((20, True), (30, False), (15, True), (35, False))
"""Seconds and whether the square moves, of the film that is made here."""


@dataclass
class Observed:
    """What came over the feed, in order; times are unix seconds of the server, those of first words by request."""

    starts: list[tuple[float, StartEvent]] = field(default_factory=list)
    words_at_s: dict[str, float] = field(default_factory=dict)
    ends: list[tuple[float, EndEvent]] = field(default_factory=list)
    instructed_at_s: list[float] = field(default_factory=list)


def make_film(path: Path) -> tuple[float, list[tuple[float, float]]]:
    """Writes the film; returns its length and the stretches that stand still, seconds."""
    still, at = [], 0
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = *SIZE, "yuv420p", 2_000_000
        step = 0
        for seconds, moves in SCENES:
            if not moves:
                still.append((float(at), float(at + seconds)))
            for _ in range(seconds * FPS):
                step += moves
                picture = np.full((SIZE[1], SIZE[0], 3), 40, np.uint8)
                x, y = 3 * step % (SIZE[0] - 120), 2 * step % (SIZE[1] - 120)
                picture[y : y + 120, x : x + 120] = 230
                out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
            at += seconds
        out.mux(stream.encode())
    return float(at), still


async def listen(bus: Bus, seen: Observed) -> None:
    """Collects starts and ends until it is cancelled."""
    feedback = bus.keys(SOURCE).feedback(SOURCE)
    async for event_id, event in follow(bus, [feedback], since="0", block_ms=500):
        at_s = int(event_id.partition("-")[0]) / 1000
        if isinstance(event, StartEvent):
            seen.starts.append((at_s, event))
        elif isinstance(event, DeltaEvent):
            seen.words_at_s.setdefault(event.request_id, at_s)
        elif isinstance(event, EndEvent):
            seen.ends.append((at_s, event))


async def instruct(bus: Bus, seen: Observed) -> None:
    """Gives a new instruction at fixed times until it is cancelled, once something has been said."""
    while True:
        while not seen.ends:
            await asyncio.sleep(0.5)
        await asyncio.sleep(INSTRUCT_S)
        seconds, micros = await bus.redis.time()
        seen.instructed_at_s.append(seconds + micros / 1e6)
        number = len(seen.instructed_at_s)
        await update_source(bus, SOURCE, {"say": {"prompt": f"Instruction {number}: say where the square is."}})


def figures(seen: Observed, length_s: float, still: list[tuple[float, float]]) -> dict[str, object]:
    """Checks of what was said."""
    took_ms, words_ms, unanswered = [], [], 0
    late: list[dict[str, object]] = []
    for number, at_s in enumerate(seen.instructed_at_s, start=1):
        own = [(start, event) for start, event in seen.starts if f"Instruction {number}:" in event.prompt]
        mine = [start for start, _ in own]
        if mine:
            took_ms.append((mine[0] - at_s) * 1000)
            if (begun_s := seen.words_at_s.get(own[0][1].request_id)) is not None:
                words_ms.append((begun_s - at_s) * 1000)
            if took_ms[-1] > WITHIN_MS:
                cuts = [cut - at_s for cut, end in seen.ends if end.status == "cancelled" and at_s < cut < mine[0]]
                late.append({"number": number, "took_ms": round(took_ms[-1]), "cancelled_after_s": cuts})
        elif number < len(seen.instructed_at_s):
            unanswered += 1
    said = [(at_s, event) for at_s, event in seen.ends if event.status == "done" and not event.silent]
    pairs = [
        (a, b)
        for (_, a), (_, b) in itertools.pairwise(said)
        if a.prompt.partition(":")[0] == b.prompt.partition(":")[0]
    ]
    repeats = [b.text for a, b in pairs if words(a.text) == words(b.text)]
    # An instruction is answered at once, also about a picture that stands still.
    unasked = [event for _, event in said if event.request_id.count(":") == 2]
    into_still = [
        round(event.pts_s, 2)
        for event in unasked
        if any(low + SETTLED_S < event.pts_s % length_s < high - 1 for low, high in still)
    ]
    statuses = [event.status for _, event in seen.ends]
    return {
        "said": len(said),
        "said_by_itself": len(unasked),
        "silent": sum(event.silent for _, event in seen.ends),
        "cancelled": statuses.count("cancelled"),
        "failed": statuses.count("failed"),
        "instructions": len(seen.instructed_at_s),
        "unanswered_instructions": unanswered,
        "takeover_ms": percentiles(took_ms),
        "first_words_ms": percentiles(words_ms),
        "late_takeovers": late,
        "repeated_lines": repeats,
        "said_while_still_at_s": into_still,
    }


def percentiles(values: list[float]) -> dict[str, float | None]:
    """p50, p95 and the largest; None = there are none."""
    wanted = (("p50", 50), ("p95", 95), ("max", 100))
    return {name: round(float(np.percentile(values, q)), 1) if values else None for name, q in wanted}


def words(text: str) -> str:
    """Text without case and punctuation."""
    return " ".join("".join(c if c.isalnum() else " " for c in text.casefold()).split())


def growing(memory: dict[str, object]) -> list[str]:
    """Names of the processes that hold more memory in the last quarter than in the second."""
    found = []
    for name, row in memory.items():
        assert isinstance(row, dict)
        quarters = row["rss_mib_quarters"]
        if quarters[3] > quarters[1] * (1 + GROWTH) + 1.0:
            found.append(name)
    return found


async def run(given: argparse.Namespace, folder: Path, model: SlowModel) -> dict[str, object]:
    video, (length_s, still) = folder / "film.mp4", (0.0, [])
    if given.video:
        video, length_s, still = given.video.absolute(), given.length_s, given.still
    else:
        length_s, still = make_film(video)
    server = Server(find_binary(), folder)
    server.start()
    speaks = {"BACKEND": "openai", "MODEL": "slow", "BASE_URL": model.url, "CONCURRENCY": "1"}
    settings = {f"CORNERMAN_GENERATOR__{name}": value for name, value in speaks.items()}
    settings["CORNERMAN_BUS__FEEDBACK_MAXLEN"] = str(EVENTS_KEPT)
    group = ServiceGroup(server.url, folder, 0, **production_times(), **settings)
    seen = Observed()
    try:
        ours = {"redis": {"url": server.url}, "bus": {"feedback_maxlen": EVENTS_KEPT}}
        async with Bus.connect(load_settings(ours)) as bus:
            watched = {"loop": True, "realtime": True, "display": False}
            spec = SourceSpec.model_validate({"source_id": SOURCE, "url": str(video), "watch": watched})
            saved = ProfileLibrary.of("").changes("default", given.preset)
            await add_source(bus, changed(spec, saved))
            group.start(capture=1, encoder=1, decider=1, generator=1)
            assert server.process is not None
            pids = {one.role: one.process.pid for one in group.services} | {"server": server.process.pid}
            beside = [asyncio.create_task(listen(bus, seen)), asyncio.create_task(instruct(bus, seen))]
            samples = await watch(pids, given.minutes * 60)
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            counted = await counters(bus, SOURCE)
    finally:
        group.stop()
        server.stop()
    memory = summarise(samples)
    found = figures(seen, length_s, still)
    took = found["takeover_ms"]
    assert isinstance(took, dict)
    checks = {
        "no_growth": not growing(memory),
        "no_line_twice_in_a_row": not found["repeated_lines"],
        "silent_while_still": not found["said_while_still_at_s"],
        "takes_over_within_300_ms": bool(took["p95"]) and took["p95"] <= WITHIN_MS,
        "every_instruction_answered": not found["unanswered_instructions"],
        "spoke": bool(found["said_by_itself"]) and not found["failed"],
    }
    answers = {"begun": model.begun, "cut_off": model.cut_off}
    return {
        "minutes": given.minutes,
        "preset": given.preset,
        "checks": checks,
        **found,
        "growing": growing(memory),
        "model_answers": answers,
        "counters": counted,
        "memory": memory,
    }


def stretch(text: str) -> tuple[float, float]:
    """Reads `12.5-40`."""
    low, _, high = text.partition("-")
    return float(low), float(high)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--preset", default="sentry", help="of `cornerman profiles list`")
    parser.add_argument("--word-s", type=float, default=0.08, help="seconds between two words of the model")
    parser.add_argument("--video", type=Path, help="another film; give its length and where it stands still")
    parser.add_argument("--length-s", type=float, default=0.0)
    parser.add_argument("--still", type=stretch, action="append", default=[], metavar="FROM-TO", help="seconds")
    given = parser.parse_args()
    if given.video and given.length_s <= 0:
        parser.error("--video needs --length-s, its length in seconds")
    with tempfile.TemporaryDirectory(prefix="cornerman-") as name, slow_model(given.word_s) as model:
        result = asyncio.run(run(given, Path(name), model))
    print(json.dumps(result, indent=1))
    return 0 if all(result["checks"].values()) else 1  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main())
