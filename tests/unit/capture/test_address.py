"""Parsing of source URLs, valid and invalid."""

from __future__ import annotations

import pytest

from cornerman_capture.broken import BrokenError
from cornerman_capture.sources.address import parse


@pytest.mark.parametrize(
    ("url", "kind", "target"),
    [
        ("clips/a b.mp4", "file", "clips/a b.mp4"),
        ("/data/a.mp4", "file", "/data/a.mp4"),
        ("file:///data/a%20b.mp4", "file", "/data/a b.mp4"),
        ("file:/data/a.mp4", "file", "/data/a.mp4"),
        ("concat:a|b", "file", "concat:a|b"),
        ("rtsp://cam:554/live", "rtsp", "rtsp://cam:554/live"),
        ("RTSPS://cam/live", "rtsp", "RTSPS://cam/live"),
        ("https://host/a.m3u8?x=1", "http", "https://host/a.m3u8?x=1"),
        ("device:0", "device", "0"),
        ("/dev/video2", "device", "/dev/video2"),
        ("test://pattern?fps=25", "test", "pattern"),
        ("push://cam1", "push", "cam1"),
    ],
)
def test_valid_urls_are_parsed(url: str, kind: str, target: str) -> None:
    address = parse(url)
    assert (address.kind, address.target) == (kind, target)


def test_query_options_are_parsed() -> None:
    assert parse("device:1?size=640x480&fps=30").options == {"size": "640x480", "fps": "30"}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://host/a.mp4", "ftp:// is not known"),
        ("rtsp://", "names no host"),
        ("http:///a.mp4", "names no host"),
        ("rtsp://cam:port/live", "not a URL"),
        ("http://[::1/x", "not a URL"),
        ("file://otherhost/a.mp4", "another host"),
        ("device:front", "names no camera"),
        ("a\nb.mp4", "control characters"),
    ],
)
def test_invalid_urls_are_final_errors(url: str, message: str) -> None:
    with pytest.raises(BrokenError, match=message) as caught:
        parse(url)
    assert caught.value.final


def test_credentials_are_never_shown() -> None:
    address = parse("rtsp://admin:s3cret@cam/live")
    assert "s3cret" not in address.shown
    assert "s3cret" not in repr(address)
    with pytest.raises(BrokenError) as caught:
        parse("rtsp://admin:s3cret@cam:port/live")
    assert "s3cret" not in str(caught.value)
