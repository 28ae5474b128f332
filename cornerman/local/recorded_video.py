"""The video of a recording, encoded in a thread of its own from the JPEGs that capture makes for viewers."""

from __future__ import annotations

import contextlib
import queue
import threading
from fractions import Fraction
from pathlib import Path
from typing import Final

from cornerman_media.errors import MediaError
from cornerman_media.picture_decoder import decode_picture
from cornerman_media.rewrapping import rewrap
from cornerman_media.writer import VideoWriter, WriteOptions

QUICK: Final = {"preset": "ultrafast", "tune": "zerolatency", "crf": "26", "g": "60", "threads": "1"}
RATE: Final = Fraction(30)


class RecordedVideo:
    """A film of pictures as they come; what was written can be read at any time.

    Args:
        target: an MP4 file; it appears with the first picture.
        most: pictures that may wait; more are dropped.

    Attributes:
        frames: pictures in the file.
        dropped: pictures that came too fast, or were damaged.
        error: why nothing more is written; "" = all is well.
    """

    def __init__(self, target: Path, most: int) -> None:
        self.frames = 0
        self.dropped = 0
        self.error = ""
        self._target = target
        self._writer = VideoWriter(target, WriteOptions(rate=RATE, codec_options=QUICK, live=True))
        self._queue: queue.Queue[tuple[bytes, float] | None] = queue.Queue(most)
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def add(self, jpeg: bytes, at_s: float) -> None:
        """Queues a picture; never waits. `at_s`: seconds from the start of the film, rising."""
        try:
            if not self.error:
                self._queue.put_nowait((jpeg, at_s))
                return
        except queue.Full:
            pass
        self.dropped += 1

    def close(self) -> None:
        """Writes what is queued, and ends the file. Blocks meanwhile."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            while (item := self._queue.get()) is not None:
                self._write(*item)
            if self.frames:
                self._writer.finish()
                rewrap(self._target)
        except MediaError as error:
            self.error = str(error)
            with contextlib.suppress(queue.Empty):
                while self._queue.get_nowait() is not None:  # a caller that waits for room goes on
                    self.dropped += 1

    def _write(self, jpeg: bytes, at_s: float) -> None:
        picture = decode_picture(jpeg)
        if picture is None:
            self.dropped += 1
            return
        self._writer.write(picture, at_s)
        self.frames += 1
