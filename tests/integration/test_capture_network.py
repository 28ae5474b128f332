"""Network sources from the test's servers: files, HLS, MJPEG and RTSP, with their failures."""

from __future__ import annotations

import socket
import time
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest

from cornerman_capture.broken import BrokenError
from cornerman_capture.sources.base import FrameSource
from cornerman_capture.sources.opening import open_source
from cornerman_shared.settings.tree import CaptureSettings
from tests.integration.rtsp_camera import camera
from tests.integration.web_camera import HASTY, PATIENT, Base, Files, Mjpeg, live_decoder, serving, states_until


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
        def answer(self) -> None:
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
        def answer(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html><body>hello</body></html>" * 100)

    with serving(Handler) as url:
        assert "video" in str(refused(f"{url}/index.html"))


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


async def test_silent_camera_stalls_and_reconnects() -> None:
    class Handler(Mjpeg):
        stop_after, hang = 30, True

    settings = PATIENT.model_copy(update={"stall_s": 1.0})
    with serving(Handler) as url:
        decoder = live_decoder(f"{url}/stream", settings)
        states = await states_until(decoder, "opening", "playing", "stalled", "reconnecting", "playing")
    # A busy machine may cause more stalls and failed attempts than the camera does.
    assert set(states) == {"opening", "playing", "stalled", "reconnecting"}


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
    # Two refusals for each attempt: to the question whether it redirects, and to FFmpeg.
    with camera(first_frames=60, refusals=4) as (server, address):
        decoder = live_decoder(f"rtsp://{address}")
        await states_until(decoder, "opening", "playing", "reconnecting", "reconnecting", "playing")
        assert (server.sessions, server.refusals) == (2, 0)


async def test_sound_alone_is_a_stall() -> None:
    settings = PATIENT.model_copy(update={"stall_s": 1.0})
    with camera(first_frames=60, then_sound=True) as (server, address):
        decoder = live_decoder(f"rtsp://{address}", settings)
        await states_until(decoder, "opening", "playing", "stalled", "reconnecting", "playing")
        assert server.sessions >= 2
