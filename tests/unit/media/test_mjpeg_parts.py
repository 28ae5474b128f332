"""Pictures out of MJPEG streams that get multipart wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornerman_media.mjpeg_parts import UNENDED, JpegSplitter
from cornerman_media.picture_decoder import decode_picture
from tests.unit.media.films import jpeg, number_of

PICTURES = [jpeg(number) for number in range(6)]
HEAD = b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"


def part(picture: bytes, length: int, before: bytes = b"--frame\r\n", after: bytes = b"\r\n") -> bytes:
    return before + HEAD % length + picture + after


SENDERS: dict[str, Callable[[bytes], bytes]] = {
    "as it should be": lambda one: part(one, len(one)),
    "no first boundary": lambda one: part(one, len(one), b"", b"\r\n--frame\r\n"),
    "blank lines too many": lambda one: part(one, len(one), after=b"\r\n\r\n\r\n"),
    "length too long": lambda one: part(one, len(one) + 7),
    "length too short": lambda one: part(one, len(one) // 2),
    "length of zero": lambda one: part(one, 0),
    "no headers at all": lambda one: one,
    "line feeds only": lambda one: part(one, len(one)).replace(b"\r\n--", b"\n--"),
    "empty parts between": lambda one: part(b"", 0) + part(one, len(one)),
    "rubbish between": lambda one: b"\xff\xd8 \xff\xff\xd9" + one + b"\xff",
}


@pytest.mark.parametrize("sender", SENDERS)
@pytest.mark.parametrize("step", [1, 7, 1000, 1 << 20])
def test_every_sender_gives_all_pictures(sender: str, step: int) -> None:
    data = b"".join(SENDERS[sender](picture) for picture in PICTURES)
    splitter = JpegSplitter()
    found = [one for at in range(0, len(data), step) for one in splitter.feed(data[at : at + step])]
    assert found == PICTURES
    assert splitter.pictures == len(PICTURES)


def test_cut_picture_is_counted() -> None:
    data = part(PICTURES[0], 9) + part(PICTURES[1][:600], 9) + part(PICTURES[2], 9)
    splitter = JpegSplitter()
    assert splitter.feed(data) == [PICTURES[0], PICTURES[2]]
    assert splitter.broken == 1


def test_sender_without_end_markers() -> None:
    splitter = JpegSplitter()
    found = splitter.feed(b"".join(part(one[:-2], 0) for one in PICTURES) + PICTURES[0][:2])
    assert len(found) == len(PICTURES) - UNENDED - 1 or len(found) == len(PICTURES) - UNENDED
    for one in found:
        frame = decode_picture(one)
        assert frame is not None and number_of(frame.to_ndarray(format="rgb24")) in range(6)


def test_thumbnail_is_part_of_its_picture() -> None:
    inner = PICTURES[1]
    picture = PICTURES[0][:2] + b"\xff\xe1" + (len(inner) + 2).to_bytes(2, "big") + inner + PICTURES[0][2:]
    assert JpegSplitter().feed(picture) == [picture]


def test_endless_picture_is_given_up() -> None:
    splitter = JpegSplitter(max_bytes=10_000)
    splitter.feed(PICTURES[0][:-2] + bytes(20_000))
    assert splitter.feed(PICTURES[1]) == [PICTURES[1]]
    assert splitter.broken == 1


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_any_bytes_are_survived(pieces: list[bytes]) -> None:
    splitter = JpegSplitter(max_bytes=2000)
    for piece in pieces:
        splitter.feed(piece + b"\xff\xd8\xff\xda\0\3x")
    assert splitter.feed(b"\xff\xd9" + b"x" * 2000) is not None
    assert splitter.feed(PICTURES[0])[-1:] == [PICTURES[0]] or splitter.feed(PICTURES[1])[-1:] == [PICTURES[1]]


@pytest.mark.parametrize("body", [b"", b"GIF89a", PICTURES[0][:40], b"\xff\xd8\xff\xd9"])
def test_damaged_picture_is_none(body: bytes) -> None:
    assert decode_picture(body) is None
