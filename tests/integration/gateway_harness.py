"""A gateway for tests: the real app on a real port; and an actor that writes what a pipeline would write to the bus."""

from __future__ import annotations

import asyncio
import contextlib
import io
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import uvicorn
from PIL import Image, ImageDraw

from cornerman_gateway.app import create_app
from cornerman_gateway.app_state import AppState
from cornerman_gateway.connections import bounded_http
from cornerman_gateway.parts import build_state
from cornerman_gateway.service import Server, listen
from cornerman_shared.bus.codec import pack_map
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import (
    Action,
    DecisionEvent,
    DeltaEvent,
    EndEvent,
    Event,
    StartEvent,
    StateEvent,
    Times,
)
from cornerman_shared.bus.registry import put_source
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.process.metrics import Metrics
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import Settings
from tests.integration.waiting import PATIENCE_S


@contextlib.asynccontextmanager
async def gateway(settings: Settings, bus: Bus) -> AsyncIterator[tuple[str, AppState]]:
    """Serves until the block ends; yields the address and the state."""
    async with asyncio.TaskGroup() as tasks:
        spawned: list[asyncio.Task[None]] = []

        def spawn(work):  # type: ignore[no-untyped-def]
            spawned.append(tasks.create_task(work))
            return spawned[-1]

        state = build_state(settings, bus, Metrics(), spawn)
        listener = listen(settings.gateway)
        web = settings.gateway
        config = uvicorn.Config(
            create_app(state),
            http=bounded_http(web),
            proxy_headers=bool(web.trusted_proxies),
            forwarded_allow_ips=list(web.trusted_proxies),
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        server = Server(config)
        serving = tasks.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", state
        finally:
            state.hub.close()
            state.previews.close()
            await state.whip.close()
            server.should_exit = True
            await serving
            for task in spawned:
                task.cancel()
            listener.close()


def caller(url: str) -> httpx.AsyncClient:
    """A client of this gateway, patient enough for a machine that is held up."""
    return httpx.AsyncClient(base_url=url, timeout=PATIENCE_S)


LINES: tuple[tuple[Action, str], ...] = (
    ("correct", "Go deeper: your hips stay above your knees."),
    ("feedback", "Good depth, keep that pace."),
    ("correct", "Your knees fall inwards. Push them out over your toes."),
    ("feedback", "Chest up, well held."),
)


@dataclass
class Actor:
    """Plays one source. Every figure it writes is one it really waited for."""

    bus: Bus
    source_id: str
    fps: float = 25.0
    chunk_s: float = 0.5
    say_every: int = 6
    latency_s: float = 0.6
    jitter_s: float = 0.1
    word_s: float = 0.05
    run: str = "run-1"
    seed: int = 7
    said: list[str] = field(default_factory=list)
    jpegs: int = 0
    prompt: str = ""
    url: str = "test://pattern?seconds=0"
    encode_s: float = 0.03
    looked: int = 0  # frames that there were, shown or not
    mouth: asyncio.Lock = field(default_factory=asyncio.Lock)  # live, a source has one open request at most

    async def begin(self, url: str = "") -> None:
        spec = SourceSpec(source_id=self.source_id, url=url or self.url)
        self.prompt = spec.say.prompt
        await put_source(self.bus, spec)
        await self.state("playing")

    async def state(self, state: str, detail: str = "") -> None:
        keys = self.bus.keys(self.source_id)
        fields = {"run": self.run, "state": state, "detail": detail, "published": "0", "ended": "0"}
        await self.bus.redis.hset(keys.run(self.source_id), mapping=fields)
        await self.bus.emit(StateEvent(self.source_id, self.run, state, detail, self.bus.clock.now_s()))  # type: ignore[arg-type]

    async def play(self) -> None:
        """Frames, chunks, decisions and words, until cancelled."""
        rng = random.Random(self.seed)
        loop = asyncio.get_running_loop()
        began, index = loop.time(), 0
        per_chunk = round(self.chunk_s * self.fps)
        seq = 0
        async with asyncio.TaskGroup() as tasks:
            while True:
                await asyncio.sleep(max(0.0, began + index / self.fps - loop.time()))
                index = max(index, int((loop.time() - began) * self.fps))  # held up, a camera leaves frames out
                pts_s, now_s = index / self.fps, self.bus.clock.now_s()
                await self.picture(pts_s, now_s)
                if index >= (seq + 1) * per_chunk:
                    tasks.create_task(self.chunk(seq, pts_s, now_s, rng.random(), rng.random()))
                    seq += 1
                index += 1

    async def picture(self, pts_s: float, now_s: float) -> None:
        keys = self.bus.keys(self.source_id)
        self.looked += 1
        if not await self.bus.redis.exists(keys.watching(self.source_id)):
            return
        self.jpegs += 1
        body = pack_map({"run": self.run, "pts_s": pts_s, "at_s": now_s, "jpeg": self.drawing(pts_s)})
        await self.bus.redis.xadd(keys.display(self.source_id), {FIELD: body}, maxlen=400)

    def drawing(self, pts_s: float) -> bytes:
        """The picture at a media time, a JPEG."""
        return draw(pts_s)

    async def chunk(self, seq: int, pts_s: float, now_s: float, chance: float, confidence: float) -> None:
        keys = self.bus.keys(self.source_id)
        speaks = seq % self.say_every == self.say_every - 1
        action, text = LINES[seq // self.say_every % len(LINES)] if speaks else ("next", "")
        await asyncio.sleep(0.02)
        published = self.bus.clock.now_s()
        await asyncio.sleep(self.encode_s)
        encoded = self.bus.clock.now_s()
        await asyncio.sleep(0.005)
        times = Times(now_s, published, encoded, self.bus.clock.now_s())
        motion = abs((pts_s / 2) % 2 - 1) * 0.6
        level = 0.8 + 0.2 * confidence if speaks else 0.2 + 0.6 * confidence
        await self.emit(
            DecisionEvent(
                self.source_id, self.run, seq, pts_s, action, level, f"chunk {seq}", "head", motion, "ok", times
            )
        )
        counters = {"captured": round(pts_s * self.fps), "sampled": round(pts_s * 8), "due": seq + 1}
        await self.bus.redis.hset(
            keys.counters(self.source_id), mapping={**counters, "published": seq + 1, "decided": seq + 1}
        )
        if speaks:
            wait_s = max(0.0, self.latency_s + (chance - 0.5) * 2 * self.jitter_s - 0.055)
            async with self.mouth:
                await self.speak(f"{self.source_id}:{self.run}:{seq}", seq, pts_s, action, text, times, wait_s)

    async def speak(
        self, request_id: str, seq: int, pts_s: float, action: Action, text: str, times: Times, wait_s: float = 0.0
    ) -> None:
        """Start, words one by one, end."""
        sid, run, model, kind = self.source_id, self.run, "test actor", "feedback"
        await self.emit(StartEvent(sid, run, request_id, 1, kind, action, pts_s, self.prompt, model, times))  # type: ignore[arg-type]
        taken = self.bus.clock.now_s()
        await asyncio.sleep(wait_s)
        first = self.bus.clock.now_s()
        times = Times(
            times.captured_at_s, times.published_at_s, times.encoded_at_s, times.decided_at_s, first_token_at_s=first
        )
        words = text.split(" ")
        for index, word in enumerate(words):
            await self.emit(DeltaEvent(sid, run, request_id, 1, word if index == 0 else f" {word}", times))
            await asyncio.sleep(self.word_s)
        done = Times(
            times.captured_at_s, times.published_at_s, times.encoded_at_s, times.decided_at_s, first,
            self.bus.clock.now_s(),
        )  # fmt: skip
        await self.emit(
            EndEvent(
                sid,
                run,
                request_id,
                1,
                kind,
                action,
                "done",
                pts_s,
                self.prompt,
                text,
                False,
                "",
                model,  # type: ignore[arg-type]
                1250,
                len(words),
                (first - taken) * 1000,
                done,
                tokens_per_s=25.0,
            )
        )
        self.said.append(text)  # only now: whoever stops the actor finds everything in here on the bus

    async def emit(self, event: Event) -> str:
        return await self.bus.emit(event)


def figure(pts_s: float, size: tuple[int, int] = (640, 360)) -> dict[str, tuple[float, float]]:
    """Joints of the drawn person at a media time, pixels."""
    width, height = size
    bend = 0.5 - 0.5 * abs((pts_s / 2) % 2 - 1)
    hip = (width / 2 - 40 * bend, height * (0.5 + 0.22 * bend))
    neck = (width / 2 + 25 * bend, hip[1] - height * 0.27)
    knee, foot = (width / 2 + 45 * bend, height * 0.68), (width / 2, height * 0.86)
    hand = (neck[0] + 80, neck[1] + 40)
    return {"hip": hip, "neck": neck, "knee": knee, "foot": foot, "hand": hand}


def draw(pts_s: float, size: tuple[int, int] = (640, 360)) -> bytes:
    """A picture of somebody squatting once in four seconds, with the media time in it."""
    width, height = size
    image = Image.new("RGB", size, (46, 54, 68))
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, height * 0.8, width, height), fill=(40, 44, 52))
    joints = figure(pts_s, size)
    neck = joints["neck"]
    pen.line((joints["hip"], joints["knee"], joints["foot"]), fill=(60, 90, 160), width=26, joint="curve")
    pen.line((joints["hip"], neck), fill=(190, 70, 60), width=34)
    pen.line((neck[0], neck[1] + 20, *joints["hand"]), fill=(222, 160, 120), width=16)
    pen.ellipse((neck[0] - 24, neck[1] - 58, neck[0] + 24, neck[1] - 10), fill=(222, 160, 120))
    pen.text((12, height - 22), f"{pts_s:8.2f} s", fill=(200, 205, 215))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80)
    return out.getvalue()


def with_web(settings: Settings, **changes: object) -> Settings:
    web = settings.gateway.model_copy(update={"port": 0, **changes})
    return settings.model_copy(update={"gateway": web})


def problem(response: httpx.Response, status: int) -> dict[str, object]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = response.json()
    assert body["status"] == status
    assert body["title"]
    return body
