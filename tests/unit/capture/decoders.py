"""Scripted sources, and decoders that run them in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import av
import numpy as np

from cornerman_capture.broken import BrokenError
from cornerman_capture.core import DecodePlan, PendingChunk
from cornerman_capture.preview import PreviewEncoder
from cornerman_capture.source_decoder import SourceDecoder
from cornerman_capture.sources.base import DecodedFrame, FrameSource, Interrupted, StreamInfo
from cornerman_capture.sources.opening import open_source
from cornerman_capture.thread_queue import ThreadQueue
from cornerman_common.looks import LookPlan
from cornerman_shared.clock import VirtualClock
from cornerman_shared.settings.tree import CaptureSettings

SETTINGS = CaptureSettings(open_timeout_s=60.0, stall_s=0.5, shorter_side=32, backoff_max_s=0.5)
MADE = av.VideoFrame.from_ndarray(np.zeros((36, 64, 3), np.uint8), format="rgb24")


class Script:
    """Source with frames at given times, which then ends or breaks off."""

    def __init__(
        self, times: list[float], *, live: bool = False, breaks: bool = False, count: list[int] | None = None
    ) -> None:
        self.info = StreamInfo(live=live, nominal_s=1 / 30, duration_s=None)
        self.note = ""
        self._times, self._breaks, self._count = times, breaks, count

    def frames(self, interrupted: Interrupted) -> Iterator[DecodedFrame]:
        for time_s in self._times:
            if interrupted():
                return
            yield DecodedFrame(time_s, self._make)
        if self._breaks:
            raise BrokenError("broke off", final=False)

    def cut_short(self) -> str:
        return ""

    def _make(self) -> av.VideoFrame:
        if self._count is not None:
            self._count.append(1)
        return MADE

    def close(self) -> None:
        """Does nothing."""


def plan(*, sample_fps: float = 8.0, overlap: int = 4, **changes: object) -> DecodePlan:
    given: dict[str, object] = {
        "look": LookPlan("chunk", sample_fps, overlap),
        "lossless": True,
        "realtime": False,
        "loop": False,
        "can_fail": True,
    }
    return DecodePlan(**{**given, **changes})  # type: ignore[arg-type]


def decoder_of(opener: Callable[[], FrameSource], of: DecodePlan, clock: VirtualClock | None = None) -> SourceDecoder:
    clock = clock or VirtualClock()
    return SourceDecoder(of, opener, SETTINGS, clock, PreviewEncoder(clock, 320, 80))


def url_decoder(url: str, of: DecodePlan) -> SourceDecoder:
    return decoder_of(partial(open_source, url, SETTINGS), of)


async def play(decoder: SourceDecoder) -> list[PendingChunk]:
    decoder.start()
    chunks = []
    while (chunk := await decoder.chunks.get()) is not None:
        chunks.append(chunk)
    assert decoder.join(60.0)
    return chunks


def frames(n: int, fps: float = 30) -> list[float]:
    return [i / fps for i in range(n)]


async def all_of(chunks: ThreadQueue[PendingChunk]):
    while (chunk := await chunks.get()) is not None:
        yield chunk
