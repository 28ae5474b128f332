"""What a browser's camera may send."""

from __future__ import annotations

import struct

import pytest

from cornerman_gateway.push import MAX_PICTURE_BYTES, PushError, read_push

JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 20


def test_push_message_round_trips() -> None:
    assert read_push(struct.pack("<d", 1.25) + JPEG) == (1.25, JPEG)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\0" * 10,
        struct.pack("<d", -1.0) + JPEG,
        struct.pack("<d", float("nan")) + JPEG,
        struct.pack("<d", 1.0) + b"GIF89a" + b"\0" * 20,
        struct.pack("<d", 1.0) + b"\xff\xd8\xff" + b"\0" * (MAX_PICTURE_BYTES + 1),
    ],
)
def test_invalid_push_message_names_reason(message: bytes) -> None:
    with pytest.raises(PushError, match=r"\w{4}"):
        read_push(message)
