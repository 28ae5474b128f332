"""Uploads are sniffed, limited, streamed and removed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from itertools import chain, repeat
from pathlib import Path
from unittest.mock import AsyncMock, Mock

import pytest

from cornerman_gateway import service
from cornerman_gateway.problems import Problem
from cornerman_gateway.uploads import Uploads, plain_stem, sniff
from cornerman_shared.aio import cancel_all, first_of

MP4 = b"\x00\x00\x00\x18ftypisom" + b"\0" * 600


async def body(data: bytes, piece: int = 100) -> AsyncIterator[bytes]:
    for at in range(0, len(data), piece):
        yield data[at : at + piece]


def uploads(folder: Path, limit: int = 10_000, total: int = 100_000) -> Uploads:
    return Uploads(folder / "up", limit, 3600.0, total)


@pytest.mark.parametrize(
    ("head", "suffix"),
    [
        (MP4, ".mp4"),
        (b"\x00\x00\x00\x14ftypqt  ", ".mov"),
        (b"\x1aE\xdf\xa3" + b"\x9fB\x86\x81\x01B\x82\x84webm", ".webm"),
        (b"\x1aE\xdf\xa3" + b"\0" * 40, ".mkv"),
        (b"RIFF\0\0\0\0AVI LIST", ".avi"),
        ((b"G" + b"\0" * 187) * 3, ".ts"),
        (b"\x00\x00\x01\xbaxxxx", ".mpg"),
        (b"<html><script>", ""),
        (b"#!/bin/sh\n", ""),
        (b"\x7fELF", ""),
        (b"#EXTM3U\nfile:///etc/passwd", ""),
        (b"", ""),
    ],
)
def test_container_is_known_by_signature(head: bytes, suffix: str) -> None:
    assert sniff(head) == suffix


async def test_video_is_stored_under_new_name(tmp_path: Path) -> None:
    done = await uploads(tmp_path).take("../../My Clip!.exe", body(MP4), len(MP4))
    assert done.path.parent == tmp_path / "up"
    assert done.path.name.startswith("My-Clip-")
    assert done.path.suffix == ".mp4"
    assert done.path.read_bytes() == MP4
    assert done.size_bytes == len(MP4)
    assert done.path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("length", [None, 20_000])
async def test_oversized_upload_leaves_no_file(tmp_path: Path, length: int | None) -> None:
    with pytest.raises(Problem) as caught:
        await uploads(tmp_path).take("a.mp4", body(MP4 * 30), length)
    assert caught.value.body.status == 413
    assert not any((tmp_path / "up").iterdir()) if (tmp_path / "up").exists() else True


async def test_invalid_upload_leaves_no_file(tmp_path: Path) -> None:
    for data in (b"hello", b"#EXTM3U\n" * 200):
        with pytest.raises(Problem) as caught:
            await uploads(tmp_path).take("a.mp4", body(data), None)
        assert caught.value.body.status == 415
    assert list((tmp_path / "up").iterdir()) == []


async def test_aborted_upload_leaves_no_file(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield MP4
        raise ConnectionResetError

    with pytest.raises(Problem):
        await uploads(tmp_path).take("a.mp4", broken(), None)
    assert list((tmp_path / "up").iterdir()) == []


async def test_used_uploads_survive_the_sweep(tmp_path: Path) -> None:
    store = uploads(tmp_path)
    used = (await store.take("used.mp4", body(MP4), None)).path
    unused = (await store.take("unused.mp4", body(MP4), None)).path
    fresh = (await store.take("fresh.mp4", body(MP4), None)).path
    for path in (used, unused):
        os.utime(path, (1000, 1000))
    assert store.sweep([str(used)]) == 1
    assert used.exists() and fresh.exists() and not unused.exists()


async def test_file_removed_meanwhile_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = uploads(tmp_path)
    for name in ("a.mp4", "b.mp4"):
        await store.take(name, body(MP4), None)
    gone = tmp_path / "up" / "gone.mp4"
    listed = [gone, *(tmp_path / "up").iterdir()]
    monkeypatch.setattr(Path, "iterdir", lambda folder: iter(listed))
    monkeypatch.setattr(Path, "is_file", lambda path: True)
    assert (await store.take("c.mp4", body(MP4), None)).path.exists()
    assert store.sweep([], now_s=1e12) == 3


async def test_unreadable_folder_ends_no_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = asyncio.Event()
    sweep = Mock(side_effect=chain([OSError(24, "Too many open files")], repeat(0)))
    monkeypatch.setattr(service, "list_sources", AsyncMock(return_value={}))
    monkeypatch.setattr(service, "SWEEP_S", 0.0)
    monkeypatch.setattr(service, "UPLOAD_SWEEP_S", 0.0)
    hub = Mock()
    hub.sweep.side_effect = lambda: ended.set() if sweep.call_count > 1 else None
    state = Mock(hub=hub, uploads=Mock(sweep=sweep))
    work = asyncio.create_task(service._sweep(Mock(clock=Mock(monotonic_s=lambda: 1.0)), state))
    await first_of(ended.wait(), asyncio.shield(work))
    assert not work.done()
    await cancel_all(work)


async def test_sweep_removes_only_own_files(tmp_path: Path) -> None:
    other = tmp_path / "mine.mp4"
    other.write_bytes(MP4)
    store = uploads(tmp_path)
    assert not store.remove(str(other))
    assert other.exists()
    done = await store.take("a.mp4", body(MP4), None)
    assert store.remove(str(done.path.resolve()))
    assert not done.path.exists()


@pytest.mark.parametrize("name", ["", "...", "/", "C:\\x\\y.mp4", "ä" * 500, "a\0b"])
def test_stems_are_plain_and_never_empty(name: str) -> None:
    stem = plain_stem(name)
    assert 0 < len(stem) <= 40
    assert stem.replace("-", "").replace("_", "").isalnum()


async def test_uploads_are_bounded_together(tmp_path: Path) -> None:
    folder = uploads(tmp_path, total=len(MP4) + 300)
    await folder.take("a.mp4", body(MP4), None)
    with pytest.raises(Problem, match=r"gateway\.uploads_max_bytes"):
        await folder.take("b.mp4", body(MP4), None)
    with pytest.raises(Problem, match="together"):
        await folder.take("b.mp4", body(MP4), len(MP4))
    assert len(list(folder.folder.iterdir())) == 1
