"""TLS sources: any certificate by default, only trusted ones with `capture.tls_ca_file`."""

from __future__ import annotations

import socket
import ssl
import threading
from functools import partial
from pathlib import Path

import pytest

from cornerman_capture.broken import BrokenError
from cornerman_capture.sources.opening import open_source
from cornerman_gateway import tls
from cornerman_gateway.tls import self_signed
from cornerman_shared.settings.tree import CaptureSettings
from tests.integration.test_capture_network import write
from tests.integration.web_camera import Files, serving


def frames(url: str, ca_file: str) -> int:
    source = open_source(url, CaptureSettings(follow_links=True, tls_ca_file=ca_file, open_timeout_s=10.0))
    try:
        return sum(1 for _ in source.frames(lambda: False))
    finally:
        source.close()


def refused(url: str, ca_file: str) -> BrokenError:
    with pytest.raises(BrokenError) as caught:
        frames(url, ca_file)
    return caught.value


def certificate(folder: Path) -> str:
    """Certificate of the server in that folder."""
    return str(self_signed(folder, ["127.0.0.1"])[0])


@pytest.mark.parametrize("name", ["a.mp4", "a.m3u8"])
def test_trusted_server_is_captured(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, **({"hls_time": "1", "hls_list_size": "0"} if name.endswith("m3u8") else {}))
    with serving(partial(Files, directory=str(tmp_path)), tls=tmp_path / "tls") as url:
        assert frames(f"{url}/{name}", certificate(tmp_path / "tls")) == 90


@pytest.mark.parametrize("name", ["a.mp4", "a.m3u8"])
def test_untrusted_server_names_the_setting(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, **({"hls_time": "1", "hls_list_size": "0"} if name.endswith("m3u8") else {}))
    with serving(partial(Files, directory=str(tmp_path)), tls=tmp_path / "tls") as url:
        error = refused(url.replace("//", "//admin:s3cret@") + f"/{name}", certificate(tmp_path / "others"))
    assert "capture.tls_ca_file" in str(error)
    assert "s3cret" not in str(error)
    assert not error.final


def test_certificate_of_other_host_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "_own_names", set)  # valid for 127.0.0.1 only
    write(tmp_path / "a.mp4")
    with serving(partial(Files, directory=str(tmp_path)), tls=tmp_path / "tls") as url:
        assert "tls_ca_file" in str(refused(url.replace("127.0.0.1", "localhost"), certificate(tmp_path / "tls")))


@pytest.mark.parametrize(("trusted", "asked"), [(True, True), (False, False)])
def test_rtsps_camera_needs_a_trusted_certificate(tmp_path: Path, trusted: bool, asked: bool) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*self_signed(tmp_path / "tls", ["127.0.0.1"]))
    requests: list[bytes] = []

    def camera() -> None:
        """Accepts connections until the listener is closed; answers none."""
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(connection, server_side=True) as secure:
                    requests.append(secure.recv(100))
            except OSError:
                connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=camera, daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        ca_file = certificate(tmp_path / ("tls" if trusted else "others"))
        refused(f"rtsps://admin:s3cret@127.0.0.1:{port}/live", ca_file)
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)
    assert any(request.startswith(b"OPTIONS rtsps://") for request in requests) is asked


def test_missing_ca_file_is_final(tmp_path: Path) -> None:
    error = refused("https://127.0.0.1:1/a.mp4", str(tmp_path / "none.pem"))
    assert error.final
    assert "capture.tls_ca_file" in str(error) and "none.pem" in str(error)
