"""The certificate of our own."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from cornerman_gateway.tls import self_signed, tls_files
from cornerman_shared.errors import ConfigError


def test_certificate_is_made_once(tmp_path: Path) -> None:
    cert, key = self_signed(tmp_path, ["cam.local", "10.0.0.7"])
    assert Path(key).stat().st_mode & 0o777 == 0o600
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(cert, key)
    before = Path(cert).read_bytes()
    assert self_signed(tmp_path, ["cam.local"]) == (cert, key)
    assert Path(cert).read_bytes() == before
    self_signed(tmp_path, ["another.local"])
    assert Path(cert).read_bytes() != before


@pytest.mark.parametrize("broken", ["cert", "key", "another key", "empty"])
def test_half_written_files_are_replaced(tmp_path: Path, broken: str) -> None:
    cert, key = map(Path, self_signed(tmp_path, ["cam.local"]))
    if broken == "another key":
        key.write_bytes(Path(self_signed(tmp_path / "other", [])[1]).read_bytes())
    else:
        path = key if broken == "key" else cert
        path.write_bytes(b"" if broken == "empty" else path.read_bytes()[:100])
    assert self_signed(tmp_path, ["cam.local"]) == (str(cert), str(key))
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(cert, key)


def test_no_certificate_means_http(tmp_path: Path) -> None:
    assert tls_files("", "", "127.0.0.1", tmp_path) is None


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gateway\.tls_cert = '/no/such\.pem'.*self-signed"):
        tls_files("/no/such.pem", "", "127.0.0.1", tmp_path)
