"""JPEG pictures out of a stream of bytes, whatever stands between them. Pure: bytes in, pictures out.

An MJPEG camera sends `multipart/x-mixed-replace`, and many get it wrong: no first boundary, other boundaries than they
announce, blank lines too many, a Content-Length that is too long, too short or 0. A JPEG says by itself where it ends
(ITU-T T.81, annex B), so boundaries and lengths are not looked at.
"""

from __future__ import annotations

from typing import Final

MAX_PICTURE_BYTES: Final = 32 << 20
"""A picture that grows beyond this is given up, and the next one is looked for."""

UNENDED: Final = 3
"""After so many pictures in a row without an end marker, and none with one, the sender leaves it out."""

_START: Final = b"\xff\xd8\xff"
_SOI: Final = 0xD8
_EOI: Final = 0xD9
_SOS: Final = 0xDA
_BARE: Final = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a segment behind them
_IN_SCAN: Final = frozenset({0x00, *range(0xD0, 0xD8)})  # an escaped 255, restart markers


class JpegSplitter:
    """Give it bytes as they come; it gives the pictures that are complete.

    Args:
        max_bytes: bound of one picture, and of the bytes held.
    """

    def __init__(self, max_bytes: int = MAX_PICTURE_BYTES) -> None:
        self.pictures = 0
        self.broken = 0
        """Pictures that were cut off, damaged or too long."""
        self._max_bytes = max_bytes
        self._held = bytearray()
        self._at = 0  # everything before has been looked at
        self._inside = False
        self._scan = False  # in entropy-coded data, which ends at a marker
        self._unended = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Takes the next bytes; returns the pictures that end in them."""
        self._held += data
        found: list[bytes] = []
        while self._step(found):
            pass
        if len(self._held) > self._max_bytes:
            self.broken += self._inside
            self._drop(len(self._held))
        self.pictures += len(found)
        return found

    def _step(self, found: list[bytes]) -> bool:
        """Goes one marker further. False = more bytes are needed."""
        if not self._inside:
            return self._seek()
        if self._scan:
            at = self._held.find(b"\xff", self._at)
            self._at = at if at >= 0 else len(self._held)
        held, at = self._held, self._at
        if at + 2 > len(held):
            return False
        if held[at] != 0xFF:  # no marker where one must be
            return self._give_up(at)
        marker = held[at + 1]
        if marker == 0xFF:  # a fill byte
            self._at += 1
        elif self._scan and marker in _IN_SCAN:
            self._at += 2
        elif marker == _EOI:
            found.append(bytes(held[: at + 2]))
            self._unended = -1
            self._drop(at + 2)
        elif marker == _SOI:
            self._started_again(at, found)
        elif marker in _BARE:
            self._at += 2
        else:
            return self._segment(at, marker)
        return True

    def _seek(self) -> bool:
        at = self._held.find(_START)
        if at < 0:
            self._drop(max(0, len(self._held) - 2))
            return False
        self._drop(at)
        self._inside, self._at = True, 2
        return True

    def _segment(self, at: int, marker: int) -> bool:
        if at + 4 > len(self._held):
            return False
        length = int.from_bytes(self._held[at + 2 : at + 4], "big")
        if length < 2:
            return self._give_up(at)
        if at + 2 + length > len(self._held):
            return False
        self._at = at + 2 + length
        self._scan = marker == _SOS
        return True

    def _started_again(self, at: int, found: list[bytes]) -> None:
        """Another picture begins inside this one: it was cut off, or the sender writes no end markers."""
        if self._scan and self._unended >= 0:
            self._unended += 1
        if self._scan and self._unended > UNENDED:
            found.append(_without_boundary(bytes(self._held[:at])) + b"\xff\xd9")
        else:
            self.broken += 1
        self._drop(at)

    def _give_up(self, at: int) -> bool:
        self.broken += 1
        self._drop(at)
        return True

    def _drop(self, count: int) -> None:
        del self._held[:count]
        self._at, self._inside, self._scan = 0, False, False


def _without_boundary(picture: bytes) -> bytes:
    """Without the part header that follows a picture that has no end marker."""
    at = picture.rfind(b"\n--")
    return picture[:at].rstrip(b"\r\n") if at > 0 else picture
