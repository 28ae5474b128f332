"""Web servers of the tests: files, and an MJPEG camera; and a decoder for live sources."""

from __future__ import annotations

import abc
import contextlib
import ssl
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler
from pathlib import Path

import av
import numpy as np

from cornerman_capture.core import DecodePlan
from cornerman_capture.preview import PreviewEncoder
from cornerman_capture.source_decoder import SourceDecoder
from cornerman_capture.sources.opening import SourceOpener
from cornerman_common.looks import LookPlan
from cornerman_gateway.tls import self_signed
from cornerman_media.jpeg import JpegEncoder
from cornerman_shared.clock import SystemClock
from cornerman_shared.settings.tree import CaptureSettings
from tests.integration.waiting import PATIENCE_S
from tests.local_http import served

PATIENT = CaptureSettings(follow_links=True, open_timeout_s=30.0, stall_s=30.0, backoff_max_s=0.5, shorter_side=32)
HASTY = PATIENT.model_copy(update={"open_timeout_s": 1.0, "stall_s": 0.5})
JPEG = JpegEncoder(320, 80).jpeg(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), format="rgb24"))


@contextlib.contextmanager
def serving(handler: Callable[..., BaseHTTPRequestHandler], tls: Path | None = None) -> Iterator[str]:
    """A web server; https if the folder `tls` holds a certificate."""
    context = None
    if tls is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self_signed(tls, ["127.0.0.1"]))
    with served(handler, context) as url:
        yield url


class Files(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Logs nothing."""


class Base(BaseHTTPRequestHandler, abc.ABC):
    def do_GET(self) -> None:
        self.answer()

    @abc.abstractmethod
    def answer(self) -> None:
        """Sends one reply."""

    def log_message(self, *_: object) -> None:
        """Logs nothing."""


def part(picture: bytes, kind: str = "Content-Type: image/jpeg\r\n", length: int | None = None) -> bytes:
    """A part of `multipart/x-mixed-replace`, as it should be."""
    size = len(picture) if length is None else length
    return b"--frame\r\n" + f"{kind}Content-Length: {size}\r\n\r\n".encode() + picture + b"\r\n"


class Mjpeg(Base):
    """An MJPEG camera: `body` is sent again and again.

    `stop_after` parts end the stream, or with `hang` leave it open and silent.
    """

    body = part(JPEG)
    kind = "multipart/x-mixed-replace; boundary=frame"
    pause_s = 0.02
    stop_after = 1_000_000
    hang = False

    def answer(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", self.kind)
        self.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(self.stop_after):
                self.wfile.write(self.body)
                self.wfile.flush()
                time.sleep(self.pause_s)
            if self.hang:
                self.connection.recv(1)  # until the client disconnects


def live_decoder(url: str, settings: CaptureSettings = PATIENT) -> SourceDecoder:
    plan = DecodePlan(LookPlan("chunk", 8.0, 4), lossless=False, realtime=True, loop=False, can_fail=False)
    clock = SystemClock()
    return SourceDecoder(plan, SourceOpener(url, settings), settings, clock, PreviewEncoder(clock, 320, 80))


async def states_until(decoder: SourceDecoder, *wanted: str) -> list[str]:
    """Decodes until these states have occurred in order; returns all states."""
    decoder.start()
    states: list[str] = []
    left = list(wanted)
    give_up_at_s = time.monotonic() + PATIENCE_S
    while left and time.monotonic() < give_up_at_s:
        await decoder.changed.wait(0.05)
        for change in decoder.poll_changes():
            states.append(change.state)
            if left and change.state == left[0]:
                del left[0]
    decoder.stop()
    assert decoder.join(PATIENCE_S)
    assert not left, f"{states} and no {left[0]}"
    return states
