"""Source arguments: URLs, ids and lengths."""

import os
from pathlib import Path

import pytest

from cornerman.local.source_args import id_of, is_file, length_s, normal_url
from cornerman_shared.errors import SourceError
from cornerman_shared.settings.source import SOURCE_ID


def test_file_becomes_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.mp4").write_text("")
    monkeypatch.chdir(tmp_path)
    assert normal_url("a.mp4") == str(tmp_path / "a.mp4")
    assert is_file(normal_url("a.mp4"))


def test_number_is_a_camera(tmp_path: Path) -> None:
    assert normal_url("0") == normal_url("device:0") == "device:0"
    assert not is_file("device:0")
    assert not is_file("/dev/video0")
    assert normal_url("rtsp://u:p@cam/1") == "rtsp://u:p@cam/1"
    assert not is_file("test://pattern")


def test_missing_file_is_refused() -> None:
    with pytest.raises(SourceError, match=r"'nope\.mp4': there is no such file"):
        normal_url("nope.mp4")


@pytest.mark.parametrize("text", ["ftp://host/a.mp4", "rtsp://", "device:front"])
def test_unsupported_url_is_refused(text: str) -> None:
    with pytest.raises(SourceError, match=r"rtsp://|device:0"):
        normal_url(text)


def test_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"is a folder; give the video files in it"):
        normal_url(str(tmp_path))


def test_pipes_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(SourceError, match=r"pipe\.mp4' is a pipe, which cannot be read twice"):
        normal_url(str(tmp_path / "pipe.mp4"))
    with pytest.raises(SourceError, match=r"'-': standard input cannot be watched; write it into a file"):
        normal_url("-")
    with pytest.raises(SourceError, match="is neither a file nor a camera"):
        normal_url("/dev/null")


def test_scheme_may_be_in_capitals(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    assert normal_url("RTSP://u:p@cam/1") == "RTSP://u:p@cam/1"
    assert normal_url(f"FILE://{tmp_path}/a.mp4") == str(tmp_path / "a.mp4")
    assert id_of("RTSP://Cam.local/live") == "cam.local-live"


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("/v/Squat side view.mp4", "squat-side-view"),
        ("/v/Übung.mp4", "bung"),
        ("/dev/video0", "video0"),
        ("device:0", "device-0"),
        ("rtsp://admin:secret@cam.local:554/live/main", "cam.local-main"),
        ("test://pattern", "pattern"),
        ("/v/___.mp4", "source"),
    ],
)
def test_id_comes_from_the_url(url: str, wanted: str) -> None:
    assert id_of(url) == wanted
    assert SOURCE_ID.fullmatch(wanted)


def test_taken_id_is_numbered() -> None:
    assert id_of("/a/x.mp4", {"x", "x-2"}) == "x-3"


def test_unreadable_file_has_no_length(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("not a video")
    assert length_s(str(tmp_path / "a.mp4")) is None
    assert length_s("rtsp://cam/") is None


def test_password_with_slash_names_the_encoding() -> None:
    with pytest.raises(SourceError, match="%2F") as caught:
        normal_url("rtsp://admin:12345/s3cret@camera/live")
    assert "s3cret" not in str(caught.value)
