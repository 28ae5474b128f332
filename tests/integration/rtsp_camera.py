"""An RTSP camera of the tests' own."""

from __future__ import annotations

import base64
import contextlib
import io
import socketserver
import struct
import threading
import time
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np


class Rtsp(socketserver.ThreadingTCPServer):
    """RTSP camera (RFC 2326, RFC 6184): H.264 interleaved over TCP, Basic authentication; with sound if asked.

    Args:
        password: of the user `admin`; "" = none is needed.
        first_frames: the first session ends after so many.
        then_sound: it does not end then, and goes on with sound alone.
        refusals: so many answers 401 follow the first session, as while a camera boots.
    """

    daemon_threads = True
    allow_reuse_address = True
    codec = "H264"
    handler: type[RtspHandler] | None = None  # None = one that behaves

    def __init__(
        self, *, password: str = "", first_frames: int = 100_000, then_sound: bool = False, refusals: int = 0
    ) -> None:
        self.password, self.first_frames = password, first_frames
        self.then_sound, self.refusals = then_sound, refusals
        self.sessions = 0
        self.units = h264_pictures()
        super().__init__(("127.0.0.1", 0), self.handler or RtspHandler)


class RtspHandler(socketserver.StreamRequestHandler):
    server: Rtsp

    def handle(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line := self.rfile.readline().decode():
                method, headers = line.split()[0], {}
                while header := self.rfile.readline().decode().strip():
                    name, _, value = header.partition(":")
                    headers[name.lower()] = value.strip()
                self.answer(method, headers, channels="2-3" if "track2" in line else "0-1")
                if method == "PLAY":
                    self.play()
                    return

    def answer(self, method: str, headers: dict[str, str], channels: str) -> None:
        wanted = "Basic " + base64.b64encode(f"admin:{self.server.password}".encode()).decode()
        more, body, status = "", "", "200 OK"
        booting = method == "DESCRIBE" and self.server.sessions == 1 and self.server.refusals > 0
        if booting:
            self.server.refusals -= 1
        if booting or (self.server.password and method == "DESCRIBE" and headers.get("authorization") != wanted):
            status, more = "401 Unauthorized", 'WWW-Authenticate: Basic realm="cam"\r\n'
        elif method == "DESCRIBE":
            body = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=cam\r\nt=0 0\r\n"
            if self.server.then_sound:
                body += "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=control:track2\r\n"
            body += "m=video 0 RTP/AVP 96\r\n"
            body += f"a=rtpmap:96 {self.server.codec}/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track1\r\n"
            more = "Content-Type: application/sdp\r\n"
        elif method == "SETUP":
            more = f"Transport: RTP/AVP/TCP;unicast;interleaved={channels}\r\nSession: 1\r\n"
        elif method == "PLAY":
            self.server.sessions += 1
            more = "Session: 1\r\n"
        reply = f"RTSP/1.0 {status}\r\nCSeq: {headers['cseq']}\r\n{more}Content-Length: {len(body)}\r\n\r\n{body}"
        self.wfile.write(reply.encode())

    def play(self) -> None:
        sequence = 0
        for number in range(self.server.first_frames if self.server.sessions == 1 else 100_000):
            units = self.server.units[number % len(self.server.units)]
            for index, unit in enumerate(units):
                for payload, last in rtp_payloads(unit):
                    marker = 0x80 if last and index == len(units) - 1 else 0
                    packet = struct.pack(">BBHII", 0x80, marker | 96, sequence & 0xFFFF, number * 3000, 1) + payload
                    self.wfile.write(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
                    sequence += 1
            time.sleep(1 / 60)
        for number in range(100_000 if self.server.then_sound else 0):
            packet = struct.pack(">BBHII", 0x80, 0, number & 0xFFFF, number * 160, 2) + b"\x7f" * 160
            self.wfile.write(struct.pack(">cBH", b"$", 2, len(packet)) + packet)
            time.sleep(1 / 60)


def rtp_payloads(unit: bytes, size: int = 1200, *, hevc: bool = False) -> Iterator[tuple[bytes, bool]]:
    """A NAL unit as one packet or as fragments (H.264: RFC 6184, 5.8; H.265: RFC 7798, 4.4.3)."""
    if len(unit) <= size:
        yield unit, True
        return
    if hevc:
        kind = unit[0] >> 1 & 0x3F
        header = bytes([unit[0] & 0x81 | 49 << 1, unit[1]])
        parts = [unit[i : i + size] for i in range(2, len(unit), size)]
        for index, part in enumerate(parts):
            last = index == len(parts) - 1
            yield header + bytes([(0x80 if index == 0 else 0) | (0x40 if last else 0) | kind]) + part, last
        return
    head, rest = unit[0], unit[1:]
    parts = [rest[i : i + size] for i in range(0, len(rest), size)]
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        flags = (0x80 if index == 0 else 0) | (0x40 if last else 0) | (head & 0x1F)
        yield bytes([(head & 0xE0) | 28, flags]) + part, last


def h264_pictures(size: tuple[int, int] = (64, 48), codec: str = "libx264") -> list[list[bytes]]:
    """One second of H.264, or H.265: the NAL units of each picture."""
    width, height = size
    form, parameters = ("h264", "x264-params") if codec == "libx264" else ("hevc", "x265-params")
    buffer, pictures = io.BytesIO(), []
    with av.open(buffer, "w", format=form) as container:
        stream = container.add_stream(codec, rate=Fraction(30))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        quiet = ":log-level=none:pools=1:keyint=10:bframes=0" if form == "hevc" else ""
        stream.options = {"g": "10", "bf": "0", parameters: f"repeat-headers=1{quiet}"}
        rng = np.random.default_rng(1)
        for _ in range(30):
            rgb = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")):
                units = bytes(packet).replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")
                pictures.append([unit for unit in units if unit])
    return pictures


@contextlib.contextmanager
def camera(**given: object) -> Iterator[tuple[Rtsp, str]]:
    server = Rtsp(**given)  # type: ignore[arg-type]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server, f"127.0.0.1:{server.server_address[1]}/live"
    finally:
        server.shutdown()
        server.server_close()
