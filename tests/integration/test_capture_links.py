"""Sources that lead elsewhere: a decoy listens at the forbidden address."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cornerman_capture.sources.errors import BrokenError
from cornerman_capture.sources.opening import open_source
from cornerman_shared.settings.tree import CaptureSettings
from tests.integration.test_capture_network import write
from tests.integration.web_camera import Base, Files, serving

SETTINGS = CaptureSettings(open_timeout_s=30.0, stall_s=30.0, shorter_side=32)
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n"


@contextlib.contextmanager
def decoy() -> Iterator[tuple[str, list[str]]]:
    """A server inside the network; yields its address and the paths it was asked for."""
    asked: list[str] = []

    class Handler(Base):
        def answer(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    with serving(Handler) as url:
        yield url, asked


@contextlib.contextmanager
def leading_to(target: str) -> Iterator[str]:
    """A server outside that leads its clients to `target`."""
    pages = {
        "/segment": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}/seg.ts\n#EXT-X-ENDLIST\n",
        "/key": f'#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-KEY:METHOD=AES-128,URI="{target}/key"\n#EXTINF:1,\na.ts\n',
        "/playlist": f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{target}/inner.m3u8\n",
        "/concat": f"ffconcat version 1.0\nfile '{target}/a.mp4'\n",
        "/dash": f"<MPD><Period><AdaptationSet><BaseURL>{target}/</BaseURL></AdaptationSet></Period></MPD>",
        "/sdp": SDP,
    }

    class Handler(Base):
        def answer(self) -> None:
            if self.path == "/redirect":
                self.send_response(302)
                self.send_header("Location", f"{target}/redirected")
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/vnd.apple.mpegurl")
            self.end_headers()
            self.wfile.write(pages[self.path].encode())

    with serving(Handler) as url:
        yield url


@pytest.mark.parametrize("path", ["redirect", "segment", "key", "playlist", "concat", "dash", "sdp"])
def test_source_leads_nowhere_else(path: str) -> None:
    with decoy() as (inside, asked), leading_to(inside) as url:
        with pytest.raises(BrokenError, match=r"capture\.follow_links"):
            open_source(f"{url}/{path}", SETTINGS).close()
        assert asked == []


def test_redirect_is_followed_when_allowed() -> None:
    with decoy() as (inside, asked), leading_to(inside) as url:
        with pytest.raises(BrokenError):
            open_source(f"{url}/redirect", SETTINGS.model_copy(update={"follow_links": True})).close()
        assert asked == ["/redirected"]


class _Redirecting(socketserver.StreamRequestHandler):
    """An RTSP server that leads its clients elsewhere at one method, and asks for a password at another."""

    def handle(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line := self.rfile.readline().decode():
                number = ""
                while header := self.rfile.readline().decode().strip():
                    number = header.partition(":")[2].strip() if header.lower().startswith("cseq") else number
                status, more = "200 OK", "Public: OPTIONS, DESCRIBE\r\n"
                if line.split()[0] == self.server.at:  # type: ignore[attr-defined]
                    status, more = "302 Moved", f"Location: {self.server.target}\r\n"  # type: ignore[attr-defined]
                self.wfile.write(f"RTSP/1.0 {status}\r\nCSeq: {number}\r\n{more}\r\n".encode())


@contextlib.contextmanager
def rtsp_leading_to(target: str, at: str) -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Redirecting) as server:
        server.daemon_threads = True
        server.target, server.at = target, at  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"rtsp://me:hunter22@127.0.0.1:{server.server_address[1]}/live"
        server.shutdown()


@contextlib.contextmanager
def rtsp_decoy() -> Iterator[tuple[str, list[bool]]]:
    """An RTSP address inside the network; yields it, and an entry for each connection."""
    met: list[bool] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            met.append(True)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"rtsp://127.0.0.1:{server.server_address[1]}/inner", met
        server.shutdown()


@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE"])
def test_rtsp_server_leads_nowhere_else(method: str) -> None:
    with rtsp_decoy() as (inside, met), rtsp_leading_to(inside, method) as url:
        with pytest.raises(
            BrokenError, match=r"the server redirects to rtsp://.*/inner; .*capture\.follow_links"
        ) as told:
            open_source(url, SETTINGS).close()
        assert met == []
        assert told.value.final
        assert "hunter22" not in str(told.value)
        with pytest.raises(BrokenError):
            open_source(url, SETTINGS.model_copy(update={"follow_links": True})).close()
        assert met


def test_single_file_opens_without_links(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", movflags="faststart")
    with serving(lambda *args: Files(*args, directory=str(tmp_path))) as url:
        feed = open_source(f"{url}/a.mp4", SETTINGS)
        assert sum(1 for _ in feed.frames(lambda: False)) == 90
        feed.close()
