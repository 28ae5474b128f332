"""The files of one recording: `video.mp4`, `events.jsonl`, `words.vtt` and `report.html` in a folder.

Words and report are in the video's own time: 0 is its first picture. Events are the lines of `run --json`, in media
time. Each file can be read while it is written.
"""

from __future__ import annotations

import base64
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from cornerman.local.captions import captions
from cornerman.local.event_lines import EventLines, Line
from cornerman.local.output_files import write_whole
from cornerman.local.recorded_video import RecordedVideo
from cornerman.local.transcript_files import transcript
from cornerman_media.errors import PictureError
from cornerman_media.jpeg import JpegEncoder
from cornerman_media.picture_decoder import decode_picture
from cornerman_shared.bus.messages import EndEvent, Event
from cornerman_shared.clock import Clock
from cornerman_shared.settings.tree import RecordSettings

VIDEO, EVENTS, WORDS, REPORT = "video.mp4", "events.jsonl", "words.vtt", "report.html"

HELD: Final = 150
"""Pictures held until words about them come."""

APART_S: Final = 0.2
"""Seconds between two held pictures, at least."""

MOST_STILLS: Final = 300
MOST_EVENTS: Final = 50_000
STILL_WIDTH, STILL_QUALITY = 320, 70


class Recording:
    """One recording of a run of a source.

    Args:
        folder: a new folder.
        source_id: of the source.
        run: id of the run; its media time goes on behind an earlier recording of it.
        settings: its bounds.
        clock: dates the report.
    """

    def __init__(self, folder: Path, source_id: str, run: str, settings: RecordSettings, clock: Clock) -> None:
        folder.mkdir(parents=True)
        self.folder, self.run = folder, run
        self._source_id, self._settings, self._clock = source_id, settings, clock
        self._video: RecordedVideo | None = None
        self._origin_s: float | None = None
        self._first_event_s: float | None = None
        self._last_s = 0.0
        self._last_picture_s = float("-inf")
        self._held: deque[tuple[float, bytes]] = deque(maxlen=HELD)
        self._events: deque[tuple[str, Event]] = deque(maxlen=MOST_EVENTS)
        self._event_lines, self._lines = EventLines(), deque[Line](maxlen=MOST_EVENTS)
        self._stills: dict[str, str] = {}
        self._jsonl = (folder / EVENTS).open("a", encoding="utf-8", buffering=1)
        self._dirty = True
        self._saved_frames = -1

    @property
    def full(self) -> bool:
        """Whether one of its bounds is reached."""
        first_s = self._first_event_s if self._origin_s is None else self._origin_s
        long = first_s is not None and self._last_s - first_s >= self._settings.max_s
        return long or self.size_bytes >= self._settings.max_bytes

    @property
    def size_bytes(self) -> int:
        """Bytes of its files."""
        return sum(path.stat().st_size for path in self.folder.iterdir())

    @property
    def error(self) -> str:
        """Why no video is written any more; "" = all is well."""
        return self._video.error if self._video else ""

    def picture(self, jpeg: bytes, pts_s: float) -> None:
        """Adds a picture; never waits."""
        if pts_s <= self._last_picture_s:
            return
        self._last_picture_s = pts_s
        if self._video is None:
            self._origin_s = pts_s
            self._video = RecordedVideo(self.folder / VIDEO, self._settings.queue)
            self._dirty = True  # the words so far get the video's time
        assert self._origin_s is not None
        self._last_s = max(self._last_s, pts_s)
        self._video.add(jpeg, pts_s - self._origin_s)
        if not self._held or pts_s - self._held[-1][0] >= APART_S:
            self._held.append((pts_s, jpeg))

    def event(self, event_id: str, event: Event) -> None:
        """Adds an event."""
        if isinstance(at_s := getattr(event, "pts_s", None), float):
            self._last_s = max(self._last_s, at_s)
            self._first_event_s = at_s if self._first_event_s is None else self._first_event_s
        line = self._event_lines.of(event)
        if line is None:
            return
        self._dirty = True
        self._events.append((event_id, event))
        self._lines.append(line)
        self._jsonl.write(json.dumps({**line, "id": event_id}, ensure_ascii=False) + "\n")
        if isinstance(event, EndEvent) and event.status == "done" and not event.silent:
            self._keep_still(event)

    def saving(self, counters: Mapping[str, int], missed: int) -> Callable[[], None] | None:
        """What writes words and report as they are now, to be called in any thread; None = nothing is new.

        Args:
            counters: of the source.
            missed: pictures that were gone before they were read.
        """
        frames, dropped = (self._video.frames, self._video.dropped) if self._video else (0, 0)
        if not self._dirty and frames == self._saved_frames:
            return None
        self._dirty, self._saved_frames = False, frames
        counts = {**counters, "pictures recorded": frames, "pictures dropped": dropped + missed}
        offset_s = -(self._origin_s or 0.0)
        return partial(self._save, list(self._events), list(self._lines), dict(self._stills), counts, offset_s)

    def close(self, counters: Mapping[str, int], missed: int) -> None:
        """Ends the video and writes words and report a last time. Blocks meanwhile.

        Raises:
            FatalError: a file cannot be written.
        """
        if self._video is not None:
            self._video.close()
        self._dirty = True
        self._jsonl.close()
        if (save := self.saving(counters, missed)) is not None:
            save()

    def _save(
        self,
        events: Sequence[tuple[str, Event]],
        lines: Sequence[Line],
        stills: Mapping[str, str],
        counts: Mapping[str, int],
        offset_s: float,
    ) -> None:
        from cornerman_gateway.session_report import make_report, to_html

        known = [one for one in captions(lines) if one.end_s + offset_s > 0]
        words = transcript(known, "vtt", title="", source_id=self._source_id, start_s=offset_s)
        write_whole(self.folder / WORDS, words)
        report = make_report(self._source_id, self.run, events, counts, self._clock.now_s())
        video = VIDEO if counts["pictures recorded"] else ""
        write_whole(self.folder / REPORT, to_html(report, events, stills, video, words, offset_s))

    def _keep_still(self, event: EndEvent) -> None:
        before = [jpeg for pts_s, jpeg in self._held if pts_s <= event.pts_s + APART_S / 2]
        picture = decode_picture(before[-1]) if before and len(self._stills) < MOST_STILLS else None
        if picture is None:
            return
        try:
            small = JpegEncoder(STILL_WIDTH, STILL_QUALITY).jpeg(picture)
        except PictureError:
            return  # words without a still
        self._stills[event.request_id] = f"data:image/jpeg;base64,{base64.b64encode(small).decode('ascii')}"
