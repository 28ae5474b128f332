"""What people type as a source."""

from pathlib import Path

import pytest

from cornerman.local.source_args import id_of, is_file, length_s, normal
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.source import SOURCE_ID


def test_a_file_becomes_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.mp4").write_text("")
    monkeypatch.chdir(tmp_path)
    assert normal("a.mp4") == str(tmp_path / "a.mp4")
    assert is_file(normal("a.mp4"))


def test_a_number_is_a_camera_and_a_url_stays(tmp_path: Path) -> None:
    assert normal("0") == normal("device:0") == "device:0"
    assert not is_file("device:0")
    assert not is_file("/dev/video0")
    assert normal("rtsp://u:p@cam/1") == "rtsp://u:p@cam/1"
    assert not is_file("test://pattern")


def test_a_missing_file_is_said_at_once() -> None:
    with pytest.raises(ConfigError, match=r"'nope\.mp4': there is no such file"):
        normal("nope.mp4")


@pytest.mark.parametrize("text", ["ftp://host/a.mp4", "rtsp://", "device:front"])
def test_what_capture_could_not_open_is_refused_with_what_it_could(text: str) -> None:
    with pytest.raises(ConfigError, match=r"rtsp://|device:0"):
        normal(text)


def test_a_folder_is_refused_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is a folder; give the video files in it"):
        normal(str(tmp_path))


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
def test_ids_are_readable_valid_and_without_secrets(url: str, wanted: str) -> None:
    assert id_of(url) == wanted
    assert SOURCE_ID.fullmatch(wanted)


def test_ids_that_are_taken_are_numbered() -> None:
    assert id_of("/a/x.mp4", {"x", "x-2"}) == "x-3"


def test_an_unreadable_file_has_no_length(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("not a video")
    assert length_s(str(tmp_path / "a.mp4")) is None
    assert length_s("rtsp://cam/") is None
