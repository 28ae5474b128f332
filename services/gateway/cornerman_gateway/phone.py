"""How a phone opens the page with its camera: the address, what its browser will say about the certificate, a QR code.

Pure, but for the code's library.
"""

from __future__ import annotations

import hashlib
import io
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cornerman_gateway.serving import is_loopback
from cornerman_gateway.tls import SELF_SIGNED

CAMERA_VIEW: Final = "/#/add/camera"
FOR_PHONES: Final = (
    "cornerman demo --set gateway.host=0.0.0.0 --set gateway.tls_cert=self-signed --set gateway.token=CHOOSE-ONE"
)
UNREACHABLE: Final = (
    "This server answers only on the machine it runs on. Start it for your network, with encryption and a token:"
)
INSECURE: Final = "Phones give their camera to encrypted pages only. Start the server with a certificate and a token:"
SELF_MADE: Final = (
    "The phone will warn once that it does not know this server, because the certificate was made here and not bought. "
    "The connection is encrypted all the same: choose Advanced, then go on to the page."
)
TRUSTED: Final = "The certificate is your own; the phone must trust who signed it."


@dataclass(frozen=True, slots=True)
class PhoneWay:
    """The way for a phone.

    Attributes:
        url: for the phone; empty where it cannot reach this server or would get no camera there.
        advice: what to know, in words.
        command: starts a server that a phone can use; empty where this one can be used.
        fingerprint: SHA-256 of a self-signed certificate, as browsers show it; else empty.
    """

    url: str
    advice: str
    command: str = ""
    fingerprint: str = ""


def phone_way(*, scheme: str, host: str, port: int | None, listens: str, lan: str, tls_cert: str, pem: str) -> PhoneWay:
    """Decides from the address by which the browser came, and the settings.

    Args:
        scheme: of the request.
        host: of the request.
        port: of the request; None = the scheme's own.
        listens: `gateway.host`.
        lan: this machine's address in its network; empty = unknown.
        tls_cert: `gateway.tls_cert`.
        pem: the certificate served; empty without one.
    """
    reached = lan if is_loopback(host) and not is_loopback(listens) else host
    if not reached or is_loopback(reached):
        return PhoneWay("", UNREACHABLE, FOR_PHONES)
    if scheme != "https":
        return PhoneWay("", INSECURE, FOR_PHONES)
    name = f"[{reached}]" if ":" in reached else reached
    url = f"https://{name}{f':{port}' if port not in (None, 443) else ''}{CAMERA_VIEW}"
    if tls_cert != SELF_SIGNED:
        return PhoneWay(url, TRUSTED)
    return PhoneWay(url, SELF_MADE, fingerprint=fingerprint_of(pem) if pem else "")


def fingerprint_of(pem: str) -> str:
    """SHA-256 of a certificate, in pairs of digits.

    Raises:
        ValueError: it is not a PEM certificate.
    """
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def served_certificate(folder: Path, tls_cert: str) -> str:
    """The self-signed certificate in `folder`, as PEM; empty without one."""
    path = folder / "gateway-cert.pem"
    return path.read_text(encoding="ascii") if tls_cert == SELF_SIGNED and path.is_file() else ""


def qr_svg(text: str) -> bytes:
    """A QR code as an SVG document, black on white with its quiet zone."""
    import segno  # only for those who add a phone

    svg = io.BytesIO()
    segno.make_qr(text, error="m").save(
        svg, kind="svg", border=4, dark="#000", light="#fff", omitsize=True, xmldecl=False
    )
    return svg.getvalue()
