"""The page's address, and when a browser is opened."""

import socket

import pytest

from cornerman.cli import invoke
from cornerman.local import page
from cornerman_shared.settings.tree import GatewaySettings


def test_taken_default_port_is_replaced() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        url, settings = page.address(GatewaySettings(port=port), None)
        assert settings["gateway"]["port"] != port
        assert url == f"http://127.0.0.1:{settings['gateway']['port']}/"


def test_wanted_port_is_kept() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert page.address(GatewaySettings(), port)[1] == {"gateway": {"port": port}}


def test_wrong_page_is_told_before_any_start(capsys: pytest.CaptureFixture[str]) -> None:
    """`up` started five processes, printed it twice and ended with 70."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for words in (("up", "--port", str(port)), ("demo", "--port", str(port), "--no-open")):
            assert invoke(words) == 78
            assert capsys.readouterr().err.count(f"gateway.port = {port}") == 1
    for wrong, sentence in (("gateway.host=0.0.0.0", "a token is needed"), ("gateway.tls_cert=no.pem", "no such file")):
        assert invoke(["up", "--set", wrong]) == 78
        assert sentence in capsys.readouterr().err


def test_url_of_any_host_opens() -> None:
    assert page.address(GatewaySettings(host="0.0.0.0", tls_cert="x"), 8443)[0] == "https://127.0.0.1:8443/"
    assert page.address(GatewaySettings(host="::1"), 8000)[0] == "http://[::1]:8000/"


def test_browser_opens_on_a_desktop_only(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def open_it(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr("webbrowser.open", open_it)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("SSH_CONNECTION", "x")
    assert not page.open_page("http://x/")
    monkeypatch.delenv("SSH_CONNECTION")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert not page.open_page("http://x/")
    assert opened == []
    monkeypatch.setenv("DISPLAY", ":0")
    assert page.open_page("http://x/")
    assert opened == ["http://x/"]
