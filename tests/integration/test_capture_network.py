"""Network sources from the test's servers: files, HLS, MJPEG and RTSP, with their failures."""

from __future__ import annotations

import base64
import contextlib
import io
import socket
import socketserver
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
import pytest

from cornerman_capture.broken import BrokenError
from cornerman_capture.preview import PreviewEncoder
from cornerman_capture.source_decoder import DecodePlan, SourceDecoder
from cornerman_capture.sources.base import FrameSource
from cornerman_capture.sources.opening import open_source
from cornerman_gateway.tls import self_signed
from cornerman_media.jpeg import JpegEncoder
from cornerman_shared.clock import SystemClock
from cornerman_shared.settings.tree import CaptureSettings
from tests.integration.waiting import PATIENCE_S

PATIENT = CaptureSettings(follow_links=True, open_timeout_s=30.0, stall_s=30.0, backoff_max_s=0.5, shorter_side=32)
HASTY = PATIENT.model_copy(update={"open_timeout_s": 1.0, "stall_s": 0.5})
JPEG = JpegEncoder(320, 80).jpeg(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), format="rgb24"))


def opened(url: str, settings: CaptureSettings = PATIENT) -> FrameSource:
    return open_source(url, settings)


def refused(url: str, settings: CaptureSettings = PATIENT) -> BrokenError:
    with pytest.raises(BrokenError) as caught:
        opened(url, settings).close()
    assert "s3cret" not in str(caught.value)
    return caught.value


def write(path: Path, seconds: float = 3.0, **options: str) -> Path:
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=Fraction(30))
        stream.width, stream.height, stream.pix_fmt, stream.options = 64, 48, "yuv420p", {"g": "15", "bf": "0"}
        for index in range(round(seconds * 30)):
            rgb = np.full((48, 64, 3), index * 2 % 250, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@contextlib.contextmanager
def serving(handler: Callable[..., BaseHTTPRequestHandler], tls: Path | None = None) -> Iterator[str]:
    """A web server; https if the folder `tls` holds a certificate."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if tls is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self_signed(tls, ["127.0.0.1"]))
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Files(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Logs nothing."""


class Base(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Logs nothing."""


def test_http_file_is_a_file(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", movflags="faststart")
    with serving(partial(Files, directory=str(tmp_path))) as url:
        source = opened(f"{url}/a.mp4")
        assert not source.info.live and source.info.duration_s == pytest.approx(3.0, abs=0.1)
        assert sum(1 for _ in source.frames(lambda: False)) == 90
        source.close()


def test_https_file_is_a_file(tmp_path: Path) -> None:
    """Cameras sign their own certificates, so FFmpeg's default of no verification is kept."""
    write(tmp_path / "a.mp4", movflags="faststart")
    with serving(partial(Files, directory=str(tmp_path)), tls=tmp_path / "tls") as url:
        source = opened(f"{url}/a.mp4")
        assert not source.info.live
        assert sum(1 for _ in source.frames(lambda: False)) == 90
        source.close()


def test_http_to_https_port_fails_fast(tmp_path: Path) -> None:
    with serving(partial(Files, directory=str(tmp_path)), tls=tmp_path / "tls") as url:
        assert not refused(url.replace("https", "http").replace("//", "//admin:s3cret@") + "/a.mp4").final


@pytest.mark.parametrize("secure", [False, True])
def test_finished_hls_playlist_is_a_file(tmp_path: Path, secure: bool) -> None:
    write(tmp_path / "a.m3u8", hls_time="1", hls_list_size="0")
    with serving(partial(Files, directory=str(tmp_path)), tls=tmp_path / "tls" if secure else None) as url:
        source = opened(f"{url}/a.m3u8")
        assert not source.info.live
        assert sum(1 for _ in source.frames(lambda: False)) == 90
        source.close()


def test_growing_hls_playlist_is_paced(tmp_path: Path) -> None:
    playlist = write(tmp_path / "a.m3u8", hls_time="1", hls_list_size="0")
    playlist.write_text(playlist.read_text().replace("#EXT-X-ENDLIST", ""))
    with serving(partial(Files, directory=str(tmp_path))) as url:
        source = opened(f"{url}/a.m3u8")
        assert source.info.live and source.info.paced
        source.close()


@pytest.mark.parametrize(
    ("status", "message", "final"),
    [(404, "404", False), (401, "credentials", True), (403, "credentials", True), (500, "error", False)],
)
def test_server_error_is_reported(status: int, message: str, final: bool) -> None:
    class Handler(Base):
        def do_GET(self) -> None:
            self.send_error(status)

    with serving(Handler) as url:
        error = refused(url.replace("//", "//admin:s3cret@") + "/a.mp4?token=s3cret")
    assert message in str(error)
    assert error.final is final


def test_unresponsive_server_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        for scheme in ("http", "rtsp"):
            error = refused(f"{scheme}://admin:s3cret@127.0.0.1:{server.getsockname()[1]}/live", HASTY)
            assert "no answer within 1 s" in str(error), error
            assert not error.final


def test_web_page_is_an_error() -> None:
    class Handler(Base):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html><body>hello</body></html>" * 100)

    with serving(Handler) as url:
        assert "video" in str(refused(f"{url}/index.html"))


class Mjpeg(Base):
    pause_s = 0.02
    stop_after = 1_000_000
    hang = False

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(self.stop_after):
                self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(JPEG))
                self.wfile.write(JPEG + b"\r\n")
                self.wfile.flush()
                time.sleep(self.pause_s)
            if self.hang:
                self.connection.recv(1)  # until the client disconnects


def test_mjpeg_is_live_with_arrival_times() -> None:
    with serving(Mjpeg) as url:
        source = opened(f"{url}/stream")
        assert source.info.live
        pictures = source.frames(lambda: False)
        asked_s = [time.monotonic()]
        times: list[float] = []
        for _ in range(40):
            times.append(next(pictures).raw_s or 0.0)
            asked_s.append(time.monotonic())
        source.close()
    # Independent of the speed of this machine: each time lies between its request and its arrival, up to an offset.
    # FFmpeg itself would count 0.04 s for each frame.
    earliest = max(before - at for before, at in zip(asked_s, times, strict=False))
    latest = min(after - at for after, at in zip(asked_s[1:], times, strict=True))
    assert earliest <= latest


def live_decoder(url: str, settings: CaptureSettings = PATIENT) -> SourceDecoder:
    plan = DecodePlan(sample_fps=8.0, overlap=4, lossless=False, realtime=True, loop=False, can_fail=False)
    clock = SystemClock()
    return SourceDecoder(plan, partial(opened, url, settings), settings, clock, PreviewEncoder(clock, 320, 80))


async def test_silent_camera_stalls_and_reconnects() -> None:
    class Handler(Mjpeg):
        stop_after, hang = 30, True

    settings = PATIENT.model_copy(update={"stall_s": 1.0})
    with serving(Handler) as url:
        decoder = live_decoder(f"{url}/stream", settings)
        states = await states_until(decoder, "opening", "playing", "stalled", "reconnecting", "playing")
    # A busy machine may cause more stalls and failed attempts than the camera does.
    assert set(states) == {"opening", "playing", "stalled", "reconnecting"}


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

    def __init__(
        self, *, password: str = "", first_frames: int = 100_000, then_sound: bool = False, refusals: int = 0
    ) -> None:
        self.password, self.first_frames = password, first_frames
        self.then_sound, self.refusals = then_sound, refusals
        self.sessions = 0
        self.units = h264_pictures()
        super().__init__(("127.0.0.1", 0), RtspHandler)


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
            body += "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track1\r\n"
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


def rtp_payloads(unit: bytes, size: int = 1200) -> Iterator[tuple[bytes, bool]]:
    """A NAL unit as one packet or as FU-A fragments (RFC 6184, 5.8)."""
    if len(unit) <= size:
        yield unit, True
        return
    head, rest = unit[0], unit[1:]
    parts = [rest[i : i + size] for i in range(0, len(rest), size)]
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        flags = (0x80 if index == 0 else 0) | (0x40 if last else 0) | (head & 0x1F)
        yield bytes([(head & 0xE0) | 28, flags]) + part, last


def h264_pictures() -> list[list[bytes]]:
    """One second of H.264: the NAL units of each picture."""
    buffer, pictures = io.BytesIO(), []
    with av.open(buffer, "w", format="h264") as container:
        stream = container.add_stream("libx264", rate=Fraction(30))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.options = {"g": "10", "bf": "0", "x264-params": "repeat-headers=1"}
        rng = np.random.default_rng(1)
        for _ in range(30):
            rgb = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
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


def test_rtsp_camera_keeps_its_timestamps() -> None:
    with camera() as (_, address):
        source = opened(f"rtsp://{address}")
        assert source.info.live
        pictures = source.frames(lambda: False)
        times = [next(pictures).raw_s for _ in range(40)]
        source.close()
    assert np.median(np.diff([t for t in times if t is not None])) == pytest.approx(1 / 30, abs=0.001)


def test_rtsp_camera_requires_the_password() -> None:
    with camera(password="s3cret") as (_, address):
        error = refused(f"rtsp://admin:wrong@{address}")
        assert "credentials" in str(error) and error.final and "wrong" not in str(error)
        source = opened(f"rtsp://admin:s3cret@{address}")
        assert next(iter(source.frames(lambda: False))).decode() is not None
        source.close()


async def test_closed_rtsp_stream_is_reopened() -> None:
    with camera(first_frames=60) as (server, address):
        decoder = live_decoder(f"rtsp://{address}")
        states = await states_until(decoder, "opening", "playing", "reconnecting", "playing")
        assert server.sessions == 2
    assert states == ["opening", "playing", "reconnecting", "playing"]
    assert decoder.chunker.due >= 2


async def test_rebooting_camera_is_not_ended() -> None:
    with camera(first_frames=60, refusals=2) as (server, address):
        decoder = live_decoder(f"rtsp://{address}")
        await states_until(decoder, "opening", "playing", "reconnecting", "reconnecting", "playing")
        assert (server.sessions, server.refusals) == (2, 0)


async def test_sound_alone_is_a_stall() -> None:
    settings = PATIENT.model_copy(update={"stall_s": 1.0})
    with camera(first_frames=60, then_sound=True) as (server, address):
        decoder = live_decoder(f"rtsp://{address}", settings)
        await states_until(decoder, "opening", "playing", "stalled", "reconnecting", "playing")
        assert server.sessions >= 2
