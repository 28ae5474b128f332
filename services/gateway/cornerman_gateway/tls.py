"""Self-signed certificates, because browsers open cameras on https pages only."""

from __future__ import annotations

import datetime
import ipaddress
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cornerman_shared.errors import ConfigError

SELF_SIGNED: Final = "self-signed"
DAYS: Final = 365


def tls_files(cert: str, key: str, host: str, folder: Path) -> tuple[str, str] | None:
    """(certificate, key) to serve with; None = plain http. `gateway.tls_cert: self-signed` makes one in `folder`.

    Raises:
        ConfigError: one of the two is missing, or a file is not there.
    """
    if not cert and not key:
        return None
    if cert == SELF_SIGNED:
        return self_signed(folder, [host])
    check_tls(cert, key)
    return cert, key


def check_tls(cert: str, key: str) -> None:
    """Checks that both files of a certificate are there.

    Raises:
        ConfigError: one of the two is missing, or a file is not there.
    """
    if cert == SELF_SIGNED or not (cert or key):
        return
    for name, value in (("gateway.tls_cert", cert), ("gateway.tls_key", key)):
        if not Path(value).is_file():
            raise ConfigError(
                f"{name} = {value!r}: there is no such file; give both files in PEM form, or tls_cert: {SELF_SIGNED}"
            )


def self_signed(folder: Path, names: Sequence[str], now: datetime.datetime | None = None) -> tuple[str, str]:
    """Makes (or finds, while it is good for a week more) a certificate for this machine's names and addresses.

    Returns:
        Paths of the certificate and of its key, which only this user can read.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    now = now or datetime.datetime.now(datetime.UTC)
    cert_path, key_path = folder / "gateway-cert.pem", folder / "gateway-key.pem"
    wanted = sorted({*names, *_own_names()} - {"", "0.0.0.0", "::"})
    if _is_usable(cert_path, key_path, set(wanted), now):
        return str(cert_path), str(key_path)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Cornerman (self-signed)")])
    cert = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in wanted]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with os.fdopen(os.open(key_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(pem)
    cert_path.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    return str(cert_path), str(key_path)


def _is_usable(cert_path: Path, key_path: Path, wanted: set[str], now: datetime.datetime) -> bool:
    """Whether the files hold a certificate for these names and its key; a process may have died while it wrote them."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    try:
        cert = x509.load_pem_x509_certificate(cert_path.read_bytes())
        key = serialization.load_pem_private_key(key_path.read_bytes(), None)
        held = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, TypeError, ValueError, x509.ExtensionNotFound):
        return False
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    fits = cert.public_key().public_bytes(*form) == key.public_key().public_bytes(*form)
    lasts = cert.not_valid_after_utc - now > datetime.timedelta(days=7)
    return fits and lasts and {str(name.value) for name in held} >= wanted


def _general(name: str):  # type: ignore[no-untyped-def]
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _own_names() -> set[str]:
    """Names and addresses that others on the network may use for this machine."""
    return {"localhost", "127.0.0.1", "::1", socket.gethostname(), lan_address()} - {""}


def lan_address() -> str:
    """This machine's address in its network; empty without one."""
    try:
        # No packet is sent: connecting a datagram socket only chooses the address we would send from.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
    except OSError:
        return ""
