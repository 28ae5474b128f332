"""Video files that people upload: sniffed, streamed to disk, limited, and removed again. Decodes nothing."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cornerman_gateway.problems import Problem
from cornerman_shared.clock import SystemClock

SNIFF_BYTES: Final = 512
FREE_BYTES: Final = 256 * 1024 * 1024
"""Space that an upload must leave on the disk."""


def sniff(head: bytes) -> str:
    """Suffix of the container whose first bytes these are; empty when it is not a supported video.

    ISO base media (ISO 14496-12), Matroska and WebM (RFC 8794), AVI (RIFF), MPEG-TS and MPEG-PS (ISO 13818-1).
    """
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return ".mov" if head[8:10] == b"qt" else ".mp4"
    if head[:4] == b"\x1aE\xdf\xa3":
        return ".webm" if b"webm" in head[:64] else ".mkv"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return ".avi"
    if head[:1] == b"G" and len(head) > 376 and head[188:189] == b"G" and head[376:377] == b"G":
        return ".ts"
    if head[:4] == b"\x00\x00\x01\xba":
        return ".mpg"
    return ""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that has arrived."""

    path: Path
    size_bytes: int


class Uploads:
    """The upload folder.

    Args:
        folder: made with mode 0700 when the first file comes.
        max_bytes: one file, at most.
        total_bytes: all files in the folder together, at most.
        keep_s: an unused file is removed after this.
    """

    def __init__(self, folder: Path, max_bytes: int, keep_s: float, total_bytes: int) -> None:
        self.folder = folder
        self._total_bytes = total_bytes
        self._arriving = 0  # bytes of uploads in progress
        self._taken = 0  # bytes of all that finished
        self._max_bytes = max_bytes
        self._keep_s = keep_s

    async def take(self, name: str, body: AsyncIterator[bytes], length: int | None) -> Upload:
        """Streams a body to disk under a name of ours.

        Raises:
            Problem: 413 too large, 415 no video, 507 no room. Nothing of a refused file stays.
        """
        if length is not None and length > self._max_bytes:
            raise self._too_large(length)
        try:
            before = await asyncio.to_thread(self._room, length or 0) - self._taken
        except OSError as error:
            raise _not_stored(error) from None
        draft = self.folder / f".{secrets.token_hex(8)}.part"
        head, size, suffix = b"", 0, ""
        try:
            with draft.open("xb") as file:
                async for piece in body:
                    size += len(piece)
                    self._arriving += len(piece)
                    if size > self._max_bytes:
                        raise self._too_large(size)
                    together = before + self._taken + self._arriving
                    if together > self._total_bytes:
                        raise self._full(together)
                    if not suffix:
                        head += piece
                        if len(head) < SNIFF_BYTES:
                            continue
                        suffix = self._known(head, name)
                        piece, head = head, b""
                    await asyncio.to_thread(file.write, piece)
                if not suffix:
                    suffix = self._known(head, name)
                    file.write(head)
            path = self.folder / f"{plain_stem(name)}-{secrets.token_hex(3)}{suffix}"
            draft.replace(path)
            self._taken += size
        except OSError as error:
            raise _not_stored(error) from None
        finally:
            self._arriving -= size
            draft.unlink(missing_ok=True)
        return Upload(path, size)

    def _known(self, head: bytes, name: str) -> str:
        suffix = sniff(head)
        if not suffix:
            raise Problem(
                415,
                "this is no video we can read",
                f"{name!r} is none of mp4, mov, webm, mkv, avi, ts, mpg; convert it first",
            )
        return suffix

    def _too_large(self, size: int) -> Problem:
        return Problem(
            413,
            "the file is too large",
            f"{size} bytes; at most {self._max_bytes} are taken (gateway.upload_max_bytes)",
        )

    def _full(self, size: int) -> Problem:
        return Problem(
            507,
            "the uploads are too large together",
            f"{size} bytes; at most {self._total_bytes} are kept (gateway.uploads_max_bytes); remove sources of files",
        )

    def _room(self, length: int) -> int:
        """Bytes of the files that are there; makes the folder."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        free = shutil.disk_usage(self.folder).free
        if free - length < FREE_BYTES:
            raise Problem(507, "no room on disk", f"{free} bytes are free; {length + FREE_BYTES} are needed")
        held = sum(_stat(path)[0] for path in self.folder.iterdir() if path.suffix != ".part")
        if held + length > self._total_bytes:
            raise self._full(held + length)
        return held

    def owns(self, url: str) -> bool:
        """Is this source's file one of ours?"""
        return url.startswith(str(self.folder.resolve()) + os.sep)

    def remove(self, url: str) -> bool:
        """Removes an upload that no source uses any more."""
        if not self.owns(url):
            return False
        Path(url).unlink(missing_ok=True)
        return True

    def sweep(self, used: Iterable[str], now_s: float | None = None) -> int:
        """Removes files older than `keep_s` that no source uses; how many.

        Raises:
            OSError: the folder cannot be read now.
        """
        if not self.folder.is_dir():
            return 0
        in_use, removed = set(used), 0
        limit_s = (SystemClock().now_s() if now_s is None else now_s) - self._keep_s
        for path in self.folder.iterdir():
            if path.is_file() and str(path.resolve()) not in in_use and _stat(path)[1] < limit_s:
                path.unlink(missing_ok=True)
                removed += 1
        return removed


def _stat(path: Path) -> tuple[int, float]:
    """Size and time of the last change; (0, 0.0) once it has been removed meanwhile."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return 0, 0.0
    return stat.st_size, stat.st_mtime


def _not_stored(error: OSError) -> Problem:
    return Problem(507, "the file could not be stored", f"{error.strerror}; free some space")


def plain_stem(name: str) -> str:
    """A file's stem with nothing in it that means something to a file system or a shell; never empty."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(name.replace("\\", "/")).stem).strip("-")
    return stem[:40] or "clip"
