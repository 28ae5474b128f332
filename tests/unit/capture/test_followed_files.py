"""Files that are being written: read to their end as it grows, and over when nothing more is added."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cornerman_capture.broken import BrokenError
from cornerman_capture.source_runner import identity
from cornerman_capture.sources.opening import SourceOpener, open_source
from cornerman_shared.settings.source import SourceSpec, WatchSettings
from cornerman_shared.settings.tree import CaptureSettings
from tests.unit.media.films import Film, steady, write

# A recording is over after twice as long without a new byte.
SETTINGS = CaptureSettings(stall_s=1.5)
KINDS = {
    "mkv as recorders write it": ("a.mkv", {"live": "1"}),
    "mkv with room for its length": ("b.mkv", {}),
    "ts": ("c.ts", {}),
    "mp4 in fragments": ("d.mp4", {"movflags": "frag_keyframe+empty_moov"}),
}


def grow(whole: bytes, path: Path) -> None:
    """Writes a file piece by piece, as a recorder does."""
    pause = threading.Event()
    with path.open("ab") as file:
        for at in range(0, len(whole), 997):
            file.write(whole[at : at + 997])
            file.flush()
            pause.wait(0.01)


def followed(folder: Path, name: str, muxer_options: dict[str, str]) -> tuple[int, float, str]:
    """Frames read while the film was written, the time of the last, and what was missing."""
    whole = write(folder / f"whole-{name}", Film(steady(90), muxer_options=muxer_options)).read_bytes()
    path = folder / name
    path.write_bytes(whole[: len(whole) // 4])
    writer = threading.Thread(target=grow, args=(whole[len(whole) // 4 :], path))
    writer.start()
    source = SourceOpener(str(path), SETTINGS, follow=True)()
    frames = list(source.frames(lambda: False))
    writer.join()
    source.close()
    return len(frames), frames[-1].raw_s or 0.0, source.note + source.cut_short()


def test_growing_file_is_read_whole(tmp_path: Path) -> None:
    with ThreadPoolExecutor(len(KINDS)) as pool:
        found = dict(zip(KINDS, pool.map(lambda kind: followed(tmp_path, *kind), KINDS.values()), strict=True))
    assert {name: (frames, missing) for name, (frames, _, missing) in found.items()} == dict.fromkeys(KINDS, (90, ""))


def test_followed_file_may_be_empty_yet(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    path.touch()
    with pytest.raises(BrokenError, match="it is followed, so it is tried again") as caught:
        SourceOpener(str(path), SETTINGS, follow=True)()
    assert not caught.value.final
    with pytest.raises(BrokenError, match="empty") as caught:
        open_source(str(path), SETTINGS)
    assert caught.value.final


def test_following_begins_another_run() -> None:
    one = SourceSpec(source_id="a", url="a.mkv")
    two = SourceSpec(source_id="a", url="a.mkv", watch=WatchSettings(follow=True))
    assert identity(one, 224) != identity(two, 224)
