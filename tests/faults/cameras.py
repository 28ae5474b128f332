"""Cameras that misbehave when a test says so, over RTSP and as MJPEG over HTTP."""

from __future__ import annotations

import contextlib
import struct
import threading
import time
from collections.abc import Iterator
from functools import cache
from http.server import ThreadingHTTPServer
from typing import Protocol

import av
import numpy as np

from cornerman_media.jpeg import JpegEncoder
from tests.integration.rtsp_camera import Rtsp, RtspHandler, h264_pictures, rtp_payloads
from tests.integration.web_camera import Mjpeg, part

FAULTS = ("stop", "sound", "refuse", "slow", "fast", "still", "resize", "codec", "half open", "drop", "garbage")
"""What a camera may do: `resize` and `codec` stay, the others last as long as the test says."""

FRAME_S = 1 / 30
SIZES = ((64, 48), (96, 64))
TICKS = {"slow": 300, "fast": 30_000, "still": 0}


class Misbehaving(Protocol):
    """A camera under a test's control. `fault` "" = it behaves."""

    fault: str

    def begin(self, fault: str) -> None:
        """Starts a fault."""


class RtspCamera(Rtsp):
    """H.264 or H.265 with sound; `fault` changes what its sessions do."""

    def __init__(self) -> None:
        self.fault = ""
        self.wide = False
        self.handler = RtspCameraHandler
        super().__init__(then_sound=True)

    def begin(self, fault: str) -> None:
        self.fault = fault
        self.wide ^= fault == "resize"
        if fault == "codec":
            self.codec = "H265" if self.codec == "H264" else "H264"


class RtspCameraHandler(RtspHandler):
    server: RtspCamera

    def answer(self, method: str, headers: dict[str, str], channels: str) -> None:
        while self.server.fault == "half open":  # connected, and no answer
            time.sleep(FRAME_S)
        self.server.refusals = 1_000 if self.server.fault == "refuse" else 0
        super().answer(method, headers, channels)

    def play(self) -> None:
        server, sequence, clock = self.server, 0, 0
        for number in range(1_000_000):
            fault = server.fault
            if fault in ("refuse", "drop"):
                return
            clock += TICKS.get(fault, 3000)
            if fault == "sound":
                packet = struct.pack(">BBHII", 0x80, 0, number & 0xFFFF, number * 266, 2) + b"\x7f" * 160
                self.wfile.write(struct.pack(">cBH", b"$", 2, len(packet)) + packet)
            elif fault not in ("stop", "half open"):
                sequence = self.send(number, sequence, clock, garbage=fault == "garbage")
            time.sleep(FRAME_S)

    def send(self, number: int, sequence: int, clock: int, *, garbage: bool) -> int:
        units = pictures(SIZES[self.server.wide], self.server.codec)
        units = units[number % len(units)]
        for index, unit in enumerate(units):
            body = unit[:2] + unit[:1:-1] if garbage else unit
            for payload, last in rtp_payloads(body, hevc=self.server.codec == "H265"):
                marker = 0x80 if last and index == len(units) - 1 else 0
                head = struct.pack(">BBHII", 0x80, marker | 96, sequence & 0xFFFF, clock & 0xFFFFFFFF, 1)
                self.wfile.write(struct.pack(">cBH", b"$", 0, len(head) + len(payload)) + head + payload)
                sequence += 1
        return sequence


@cache
def pictures(size: tuple[int, int], codec: str) -> list[list[bytes]]:
    return h264_pictures(size, "libx264" if codec == "H264" else "libx265")


@cache
def jpeg(size: tuple[int, int]) -> bytes:
    picture = np.full((size[1], size[0], 3), 90, np.uint8)
    return JpegEncoder(320, 80).jpeg(av.VideoFrame.from_ndarray(picture, format="rgb24"))


class MjpegCamera(ThreadingHTTPServer):
    """MJPEG over HTTP; `fault` changes what its connections do."""

    daemon_threads = True

    def __init__(self) -> None:
        self.fault = ""
        self.wide = False
        super().__init__(("127.0.0.1", 0), MjpegCameraHandler)

    def begin(self, fault: str) -> None:
        self.fault = fault
        self.wide ^= fault == "resize"


class MjpegCameraHandler(Mjpeg):
    server: MjpegCamera

    def answer(self) -> None:
        while self.server.fault == "half open":
            time.sleep(FRAME_S)
        if self.server.fault == "refuse":
            self.send_error(401)
            return
        self.send_response(200)
        self.send_header("Content-Type", self.kind)
        self.end_headers()
        with contextlib.suppress(OSError):
            while (fault := self.server.fault) not in ("refuse", "drop"):
                picture = jpeg(SIZES[self.server.wide])
                if fault in ("garbage", "codec"):
                    self.wfile.write(part(b"RIFF....WEBPVP8 " + picture[20:]))
                elif fault not in ("stop", "sound", "half open"):
                    self.wfile.write(part(picture))
                self.wfile.flush()
                time.sleep(FRAME_S)


@contextlib.contextmanager
def serving_camera(kind: str) -> Iterator[tuple[Misbehaving, str]]:
    """A camera of this kind, `rtsp` or `http`, and its URL."""
    server: RtspCamera | MjpegCamera = RtspCamera() if kind == "rtsp" else MjpegCamera()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server, f"{kind}://127.0.0.1:{server.server_address[1]}/live"
    finally:
        server.shutdown()
        server.server_close()
