"""The engine in Python: who watches, decides and speaks, in this process. No server, no other processes, no Redis."""

from __future__ import annotations

import asyncio
import math
import os
import time
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import aclosing
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from cornerman.engine.encoded_chunks import encoded_chunks
from cornerman.engine.loop_thread import ClosedLoopError, LoopThread
from cornerman.engine.models import load_models
from cornerman.engine.pictures import Order, rgb_of, video_frame
from cornerman.engine.steps import Steps
from cornerman.engine.watcher import Answer, ChunkWatcher, EncodedChunk
from cornerman.feedback import Feedback
from cornerman.local.question_text import question_text
from cornerman.local.retry_limit import with_give_up
from cornerman.local.source_args import id_of, normal_url
from cornerman.local.source_specs import source_spec
from cornerman_capture.core import Chunker
from cornerman_capture.looks import look_cutter
from cornerman_capture.scaling import FrameScaler
from cornerman_capture.sources.address import parse
from cornerman_common.look_checks import check_look
from cornerman_common.looks import look_plan
from cornerman_common.model_choice import resolve_models
from cornerman_shared.clock import SystemClock
from cornerman_shared.errors import ConfigError, SourceError
from cornerman_shared.process import logs
from cornerman_shared.settings.overrides import merge, nest

if TYPE_CHECKING:
    from cornerman_common.model_parts import ModelChoice
    from cornerman_shared.bus.messages import DecisionEvent
    from cornerman_shared.settings.source import Mode, SourceSpec, Strategy

Source = str | os.PathLike[str] | int
"""A file, an address, or the number of a camera."""

DECISIONS: Final = 10_000
"""Decisions that are kept; older ones are dropped."""

HANDOVER_S: Final = 1.0
"""Longest time that a stream waits for one that was left just now."""

FRAMES: Final = "frames"
"""Source id of frames that are fed."""


class Coach:
    """Watches one source at a time and says what helps. Any thread may call it.

    The same cores as the services: window, gate, strategies, prompts and context. Models are chosen as for every
    command: what is given here or set in `cornerman.yaml` or `CORNERMAN_*` stays, the rest is the bundled coach.

    Args:
        encoder: back end, `mobile_videogpt` or `fake`.
        generator: back end, `mobile_videogpt`, `openai`, `vlm`, `vllm` or `echo`.
        model: of the generator: path, hub name, or name at the server.
        base_url: of a server (`openai`, `vllm`), up to `/v1`.
        api_key: of that server.
        adapter: LoRA adapter, by name or path.
        strategy: who decides; None = the trained head where there is one.
        prompt: the question about the chunks.
        mode: `coach`, `polling` or `commentary`.
        settings: any other settings, nested as in `cornerman.yaml`; the arguments above win.

    Attributes:
        choice: who encodes, decides and speaks, why, and with which abilities.

    Raises:
        ConfigError: a setting is wrong, settings do not go together, or a model cannot be loaded.

    Examples:
        >>> import numpy as np
        >>> frames = np.zeros((16, 48, 64, 3), np.uint8)
        >>> with Coach(encoder="fake", generator="echo", strategy="interval", prompt="How is it?") as coach:
        ...     said = [one for i, frame in enumerate(frames) for one in coach.feed(frame, i / 8)]
        ...     answer = coach.ask("Is anything moving?")
        >>> [(one.pts_s, one.action, one.text) for one in said]
        [(0.875, 'feedback', 'feedback at 0.88 s, chunks 0-0: How is it?')]
        >>> answer.text
        'answer at 1.88 s, chunks 1-2: Is anything moving?'
        >>> [(one.seq, one.action) for one in coach.decisions]
        [(0, 'feedback'), (1, 'next'), (2, 'next')]
    """

    def __init__(
        self,
        *,
        encoder: str | None = None,
        generator: str | None = None,
        model: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        adapter: str | None = None,
        strategy: Strategy | None = None,
        prompt: str | None = None,
        mode: Mode = "coach",
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        given = {
            "encoder.backend": encoder,
            "generator.backend": generator,
            "generator.model": model,
            "generator.base_url": base_url,
            "generator.api_key": api_key,
            "say.adapter": adapter,
            "speak.strategy": strategy,
            "say.prompt": prompt,
        }
        # The caller is trusted with the addresses that it gives.
        flags = merge(
            {"capture": {"follow_links": True}},
            settings or {},
            nest((name, value) for name, value in given.items() if value is not None),
        )
        logs.configure_inside_program()
        self.choice: ModelChoice = resolve_models(flags, people=mode == "coach" or None)
        self._mode: Mode = mode
        check_look(source_spec(FRAMES, "test://frames", self.choice.settings, mode), self.choice.settings)
        self._clock = SystemClock()
        self._models = load_models(self.choice)
        self._loop = LoopThread("cornerman-coach")
        self._decisions: deque[DecisionEvent] = deque(maxlen=DECISIONS)
        # Locks bind to the loop that first waits on them.
        self._busy = asyncio.Lock()  # held by the one stream
        self._turn = asyncio.Lock()
        self._runs = 0
        try:
            self._start_frames()
        except BaseException:
            self._loop.close(self._models.generator.close)
            raise
        # A coach that is dropped without `close` ends its thread too.
        self._dropped = weakref.finalize(self, self._loop.stop, self._models.generator.close)
        self._dropped.atexit = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends its thread and connections; streams end at their next step. Any other later call is a `RuntimeError`."""
        self._loop.close(self._models.generator.close)
        self._dropped.detach()

    @property
    def decisions(self) -> list[DecisionEvent]:
        """The decisions so far, oldest first: one for each chunk, of which most are `next`."""
        return list(self._decisions)

    def stream(self, source: Source, *, realtime: bool = False) -> Generator[Feedback, None, None]:
        """Yields the feedback about a source, until it ends. Starts a new run.

        Args:
            source: a video file, `rtsp://`, `http(s)://`, `device:0` or 0, `/dev/video0` or `test://`.
            realtime: play a file at its own speed and skip what is late; by default no chunk is skipped.

        Raises:
            SourceError: the file does not exist, or the source cannot be watched.
            GenerationError: the model failed.
            ConfigError: the coach is watching another stream.
        """
        self._loop.check_open()
        steps = Steps(self._watch(source, realtime))
        try:
            while (feedback := self._loop.run(steps.next())) is not None:
                yield feedback
                if self._loop.closed:
                    return
        except ClosedLoopError:
            return
        finally:
            self._loop.leave(steps.close())

    async def astream(self, source: Source, *, realtime: bool = False) -> AsyncGenerator[Feedback, None]:
        """Yields as `stream`, in the caller's event loop."""
        self._loop.check_open()
        steps = Steps(self._watch(source, realtime))
        try:
            while (feedback := await self._loop.wait(steps.next())) is not None:
                yield feedback
                if self._loop.closed:
                    return
        except ClosedLoopError:
            return
        finally:
            await self._loop.wait_to_leave(steps.close())

    def feed(self, frame: Any, pts_s: float | None = None, *, order: Order = "rgb") -> list[Feedback]:
        """Takes the next frame; returns the feedback that it completes: none, or one.

        Args:
            frame: numpy [H, W, 3], PIL image or torch tensor, of any size; see `cornerman.engine.pictures.rgb_of`.
            pts_s: its media time, seconds, rising from frame to frame; None = the time since the first frame. A time
                that falls is read as the next moment, as is a jump of many seconds.
            order: of the channels of an array; OpenCV's are `bgr`.

        Raises:
            ConfigError: it is not a picture, `pts_s` is not a time, or a stream is being watched.
            SourceError: its sides are too unequal.
            GenerationError: the model failed.
        """
        return self._loop.run(self._feed(frame, pts_s, order))

    async def afeed(self, frame: Any, pts_s: float | None = None, *, order: Order = "rgb") -> list[Feedback]:
        """As `feed`, in the caller's event loop."""
        return await self._loop.wait(self._feed(frame, pts_s, order))

    def ask(self, text: str) -> Answer:
        """Answers a question about what is seen now, or declines it with the questions that are answered.

        Raises:
            ConfigError: the question is empty or too long.
            GenerationError: nothing has been seen yet, or the model failed.
        """
        return self._loop.run(self._ask(text))

    async def aask(self, text: str) -> Answer:
        """As `ask`, in the caller's event loop."""
        return await self._loop.wait(self._ask(text))

    def reset(self) -> None:
        """Forgets what was seen, decided and said: the next frame is the first one, also of a stream that goes on."""
        self._loop.run(self._reset())

    # On the loop's thread from here on.

    def _start(self, source_id: str, url: str, watch: Mapping[str, Any]) -> None:
        """Begins a new run with these settings of `watch`."""
        settings = self.choice.settings
        spec = with_give_up(source_spec(source_id, url, settings, self._mode))
        self._spec: SourceSpec = spec.model_copy(update={"watch": spec.watch.model_copy(update=dict(watch))})
        self._watcher = ChunkWatcher(self._spec, self._models, self._clock, run=f"r{self._runs}")
        self._runs += 1
        self._chunker = Chunker(look_cutter(look_plan(self._spec)))
        self._scaler = FrameScaler(settings.capture.shorter_side)
        self._first_s: float | None = None
        self._began_s = time.monotonic()

    def _start_frames(self) -> None:
        self._start(FRAMES, "test://frames", {"lossless": True})

    async def _reset(self) -> None:
        async with self._turn:
            self._decisions.clear()
            if self._busy.locked():
                self._watcher.reset()
            else:
                self._start_frames()

    async def _ask(self, text: str) -> Answer:
        question = question_text(text)
        async with self._turn:
            return await self._watcher.answer(question)

    async def _feed(self, frame: Any, pts_s: float | None, order: Order) -> list[Feedback]:
        pts_s = None if pts_s is None else _seconds(pts_s)
        await self._claim("feed the frames to a second Coach")
        self._busy.release()
        async with self._turn:
            if self._busy.locked():
                raise ConfigError("a stream began meanwhile; feed the frames to a second Coach")
            if self._spec.source_id != FRAMES:
                self._start_frames()  # the frames before were a stream's
            if self._first_s is None:
                self._began_s = time.monotonic()
            given_s = time.monotonic() - self._began_s if pts_s is None else pts_s
            self._first_s = given_s if self._first_s is None else self._first_s
            media_s, sampled = self._chunker.stamp(given_s)
            if not sampled:
                return []
            rgb = rgb_of(frame, order)
            pending = self._chunker.push(media_s, self._scaler.rgb(video_frame(rgb)), self._clock.now_s())
            if pending is None:
                return []
            encoded = await asyncio.to_thread(self._watcher.encode, pending, lossless=True)
            said = await self._judge(encoded, self._first_s)
            return [said] if said else []

    async def _judge(self, encoded: EncodedChunk, offset_s: float = 0.0) -> Feedback | None:
        """Decides about a chunk and speaks. `offset_s`: the caller's time at media time 0, seconds."""
        event, request = await self._watcher.decide(encoded)
        self._decisions.append(replace(event, pts_s=event.pts_s + offset_s))
        said = await self._watcher.say(request) if request else None
        return replace(said, pts_s=said.pts_s + offset_s) if said else None

    async def _claim(self, other: str) -> None:
        """Takes the place of the one stream.

        Raises:
            ConfigError: another stream keeps it; `other` is what else to do.
        """
        try:
            await asyncio.wait_for(self._busy.acquire(), HANDOVER_S)
        except TimeoutError:
            raise ConfigError(f"this coach watches another stream; let it end, or {other}") from None

    async def _watch(self, source: Source, realtime: bool) -> AsyncGenerator[Feedback, None]:
        await self._claim("make a second Coach")
        try:
            url = normal_url(_text_of(source))
            lossless = not realtime and parse(url).kind in ("file", "test")
            async with self._turn:
                self._start(id_of(url), url, {"lossless": lossless, "realtime": realtime or not lossless})
            settings = self.choice.settings.capture
            async with aclosing(encoded_chunks(self._spec, settings, self._clock, self._watcher)) as chunks:
                async for chunk in chunks:
                    async with self._turn:
                        said = await self._judge(chunk)
                    if said:
                        yield said
        finally:
            self._busy.release()


def _text_of(source: Source) -> str:
    """A source as a command line has it.

    Raises:
        SourceError: it is neither a path, an address nor the number of a camera.
    """
    if isinstance(source, (str, os.PathLike)) and isinstance(text := os.fspath(source), str):
        return text
    if isinstance(source, int) and not isinstance(source, bool) and source >= 0:
        return str(source)
    raise SourceError(f"source {source!r}: give a path, an address such as rtsp://…, or the number of a camera")


def _seconds(pts_s: Any) -> float:
    """A time that a caller gave.

    Raises:
        ConfigError: it is not a finite number.
    """
    try:
        value = float(pts_s)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(f"pts_s = {pts_s!r} is not a time; give seconds, e.g. 1.25, or None")
    return value
