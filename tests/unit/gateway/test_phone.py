"""The way for a phone: its address, the words about the certificate, and the code to photograph."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cornerman_gateway.phone import FOR_PHONES, PhoneWay, fingerprint_of, phone_way, qr_svg, served_certificate
from cornerman_gateway.tls import SELF_SIGNED, self_signed


def way(scheme: str = "https", host: str = "10.0.0.7", listens: str = "0.0.0.0", **changes: object) -> PhoneWay:
    values: dict[str, object] = {"port": 8443, "lan": "10.0.0.9", "tls_cert": SELF_SIGNED, "pem": ""}
    return phone_way(scheme=scheme, host=host, listens=listens, **{**values, **changes})  # type: ignore[arg-type]


def test_address_is_the_one_that_works() -> None:
    assert way().url == "https://10.0.0.7:8443/#/add/camera"
    assert way(host="localhost").url == "https://10.0.0.9:8443/#/add/camera"  # a phone's own localhost is another
    assert way(host="fd00::7", port=443).url == "https://[fd00::7]/#/add/camera"
    assert way(host="coach.lan", port=None).url == "https://coach.lan/#/add/camera"


@pytest.mark.parametrize(
    "changes", [{"scheme": "http"}, {"host": "localhost", "lan": ""}, {"host": "127.0.0.1", "listens": "127.0.0.1"}]
)
def test_useless_server_names_its_remedy(changes: dict[str, str]) -> None:
    found = way(**changes)
    assert found.url == "" and found.command == FOR_PHONES and found.advice.endswith(":")


def test_command_is_one_that_runs() -> None:
    words = FOR_PHONES.split()
    sets = [text.partition("=")[0] for text in words if "=" in text]
    assert words[:2] == ["cornerman", "demo"] and sets == ["gateway.host", "gateway.tls_cert", "gateway.token"]


def test_self_signed_certificate_is_explained(tmp_path: Path) -> None:
    self_signed(tmp_path, ["10.0.0.7"])
    pem = served_certificate(tmp_path, SELF_SIGNED)
    found = way(pem=pem)
    assert "warn once" in found.advice and found.fingerprint == fingerprint_of(pem)
    assert len(found.fingerprint) == 32 * 3 - 1
    assert (
        served_certificate(tmp_path, "/etc/cert.pem") == "" and served_certificate(tmp_path / "none", SELF_SIGNED) == ""
    )
    assert way(tls_cert="/etc/cert.pem").fingerprint == ""


def test_code_is_a_picture() -> None:
    svg = qr_svg("https://10.0.0.7:8443/#/add/camera").decode()
    assert svg.startswith("<svg") and 'xmlns="http://www.w3.org/2000/svg"' in svg
    assert "<script" not in svg and 'viewBox="0 0 ' in svg


def test_code_is_loaded_when_wanted() -> None:
    code = "import sys, cornerman_gateway.phone; sys.exit('segno' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
