"""Reads a video: frames with their media time, upright, with square pixels, whatever the file is like.

    with open_video("clip.mp4") as video:
        for frame in video:
            show(frame.time_s, frame.rgb())

Media time starts at 0 with the first frame and always rises; `video.start_s` is where a player shows that frame.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

import av
import av.error
import av.stream
import numpy as np
from numpy.typing import NDArray

from cornerman_media.ending import LOST_PART, cut_short, missing_bytes
from cornerman_media.errors import NoVideoError, StreamLostError
from cornerman_media.info import MATROSKA, describe
from cornerman_media.opening import (
    DEVICE_FORMATS,
    READ_AGAIN,
    MediaSource,
    OpenOptions,
    check_size,
    codec_options,
    local_path,
    open_container,
    plain,
    shown_name,
    undecodable,
)
from cornerman_media.stamps import DECODING_TIMES, StampChooser
from cornerman_media.start_codes import DELIMITER_BYTES, SAME, change_in
from cornerman_media.timestamps import TimeRepair
from cornerman_media.tracks import choose_video
from cornerman_media.upright import UprightPictures

BROKEN_MAX: Final = 300
"""So many packets in a row that cannot be decoded mean that nothing more will come of it."""

MPEG_TS: Final = "mpegts"

UNREAD_PART: Final = 0.2
"""A Matroska file whose frames end so far before its bytes do was damaged on the way: its reader stops silently."""

_SILENT: Final = (av.error.ExitError, av.error.TimeoutError)

ROUNDED_S: Final = 1e-5
"""A container tells where it begins in whole microseconds."""


@dataclass(frozen=True, slots=True)
class MediaFrame:
    """A decoded frame.

    Args:
        time_s: media time, seconds; 0 = the first frame.
        raw_s: timestamp as the input gave it, seconds; None = it gave none.
        duration_s: how long it is shown, seconds; 0 = unknown.
        picture: as decoded: neither turned nor scaled, and interlaced if the video is.
    """

    time_s: float
    raw_s: float | None
    duration_s: float
    picture: av.VideoFrame
    _pictures: UprightPictures = field(repr=False, compare=False)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as shown: upright, with square pixels."""
        return self._pictures.size(self.picture)

    def rgb(self, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """[H, W, 3] uint8 RGB, upright, at `size` = (width, height) or as shown.

        Raises:
            PictureError: no picture can be made of it.
        """
        return self._pictures.rgb(self.picture, size)

    def upright(self, size: tuple[int, int], form: str = "yuv420p") -> av.VideoFrame:
        """The same in a pixel format, for an encoder.

        Raises:
            PictureError: no picture can be made of it.
        """
        return self._pictures.frame(self.picture, size, form)


class VideoReader:
    """An open video. Made by `open_video`; not for several threads at once."""

    def __init__(self, source: MediaSource, options: OpenOptions, repair: TimeRepair | None) -> None:
        self.shown = shown_name(source, options)
        self._path = None if options.format in DEVICE_FORMATS else local_path(source)
        self._quiet_s = options.read_timeout_s
        self._options = options
        self._follow = options.follow and self._path is not None
        self._container = open_container(source, options)
        try:
            self._stream = choose_video(self._container, self.shown)
            context = self._stream.codec_context
            check_size(context.width, context.height, self.shown, options)
            # The picture may grow on the way.
            context.options = codec_options(options)
            self.info = describe(self._container, self._stream)
        except BaseException:
            self._container.close()
            raise
        self._stream.thread_type = "AUTO"
        self._decoder = self._stream.codec_context
        self._codec = SAME.get(self._decoder.name, "") if self.info.container == MPEG_TS else ""
        """The codec as it may change on the way; "" = it does not."""
        if hasattr(av.stream, "Discard"):  # PyAV 16 or later; without it, other variants of HLS are downloaded, too
            for stream in self._container.streams:
                if stream is not self._stream:
                    stream.discard = av.stream.Discard.all
        self._times = repair or TimeRepair(self.info.nominal_s)
        self.pixel_aspect = self.info.pixel_aspect
        """Width of a pixel of the newest frame divided by its height; None = square. Broadcasts change it."""
        self._pictures = UprightPictures(self.pixel_aspect)
        self._codec_aspect = self._stream.codec_context.sample_aspect_ratio
        self._size = (0, 0)
        self.frames_read = 0
        self.packets_read = 0
        self.broken_packets = 0
        """Packets that could not be decoded, and reads that failed. The rest is read all the same."""
        self._asked_at_s = 0.0  # when the next frame was asked for, monotonic seconds
        self._read_to = 0  # where the newest packet begins, bytes
        self._first_raw_s: float | None = None
        self._last_duration_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[MediaFrame]:
        return self.frames()

    def close(self) -> None:
        """Closes the input; it cannot be read any more."""
        self._container.close()

    @property
    def has_size(self) -> bool:
        """Whether the input is of so many bytes; a stream without end is not."""
        try:
            return int(self._container.size) > 0
        except (av.error.FFmpegError, OSError, ValueError):
            return False

    @property
    def start_s(self) -> float:
        """Where a player shows the first frame, seconds, at least 0: media time + `start_s` = time in the player."""
        raw_s = self._first_raw_s
        if raw_s is None:
            start, base = self._stream.start_time, self._stream.time_base
            raw_s = float(start * base) if start is not None and base is not None else self.info.zero_s
        late_s = raw_s - self.info.zero_s
        return late_s if late_s > ROUNDED_S else 0.0

    @property
    def end_s(self) -> float:
        """Media time when the newest frame ends, seconds; after the last one, the true length."""
        if self.frames_read == 0:
            return 0.0
        return self.info.end_s(self._times.last_s, self._last_duration_s, self._times.interval_s)

    @property
    def note(self) -> str:
        """Faults that were got over, for people; "" = none."""
        count = self.broken_packets
        if count == 1:
            return "1 broken packet was skipped"
        return f"{count} broken packets were skipped" if count else ""

    def cut_short(self) -> str:
        """Asked after the last frame: whether the end is missing, for people; "" = it is not, or is being written."""
        if self._follow:
            return ""
        return cut_short(
            end_s=self.end_s,
            stated_s=self._stated_s(),
            duration_s=self.info.duration_s,
            longest_step_s=max(self._times.longest_step_s, self._last_duration_s),
            missing_bytes=missing_bytes(self._path) if self._path else None,
            damaged=self.broken_packets > 0
            or self.packets_read - self.frames_read > LOST_PART * self.packets_read
            or self._stopped_early(),
        )

    def _stated_s(self) -> float | None:
        """The stated length from the first frame; FFmpeg takes the start of sound that begins long before for both."""
        stated_s, first_s = self.info.stated_s, self._first_raw_s
        if stated_s is None or first_s is None or self.info.container != MATROSKA:
            return stated_s
        start, base = self._stream.start_time, self._stream.time_base
        return stated_s - max(0.0, first_s - (float(start * base) if start and base else 0.0))

    def _stopped_early(self) -> bool:
        if self._path is None or self.info.container != MATROSKA:
            return False
        return self._read_to < (1 - UNREAD_PART) * self._path.stat().st_size

    def frames(self, interrupted: Callable[[], bool] | None = None) -> Iterator[MediaFrame]:
        """Frames in presentation order. Blocks between them.

        Args:
            interrupted: asked between frames; True = stop.

        Raises:
            StreamLostError: the network or the device broke off, or sends only what cannot be decoded.
            NoVideoError: a file without a single frame that can be decoded.
        """
        chooser = StampChooser(self.info.container, self._stream.codec_context.has_b_frames)
        self._asked_at_s = time.monotonic()
        seconds = float(self._stream.time_base or 0)
        lasts = seconds if self.info.stores_durations else 0.0
        for picture in self._decoded(interrupted):
            raw = chooser.choose(picture.pts, picture.dts)
            raw_s = None if raw is None else raw * seconds
            if self.frames_read == 0 and self.info.container not in DECODING_TIMES:  # those come late
                self._first_raw_s = raw_s
            self.frames_read += 1
            duration_s = (picture.duration or 0) * lasts
            time_s = self._times.stamp(raw_s, duration_s)
            self._last_duration_s = duration_s
            if picture.width != self._size[0] or picture.height != self._size[1] or picture.key_frame:
                self._look_at_shape(picture)
            yield MediaFrame(time_s, raw_s, duration_s, picture, self._pictures)
            self._asked_at_s = time.monotonic()
        if self.frames_read == 0 and self._path is not None and not (interrupted and interrupted()):
            raise NoVideoError(f"{self.shown}: no frame of it can be decoded{self._why_none()}")

    def _why_none(self) -> str:
        # A decoder refuses a size with the error of a damaged picture.
        if self.broken_packets and not self._stream.codec_context.width:
            return f": {undecodable(self._options.max_pixels)}"
        held = f"{self.packets_read} packets without a key frame to begin with" if self.packets_read else "it has none"
        return f" ({self.note or held}); record it again, or give another video"

    def _look_at_shape(self, picture: av.VideoFrame) -> None:
        """Broadcasts change size and shape of pixels; a container that overrides the codec keeps the last word."""
        self._size = (picture.width, picture.height)
        aspect = self._decoder.sample_aspect_ratio
        if aspect and aspect != self._codec_aspect:
            self._codec_aspect = aspect
            self.pixel_aspect = aspect
            self._pictures = UprightPictures(aspect)

    def _decoded(self, interrupted: Callable[[], bool] | None) -> Iterator[av.VideoFrame]:
        broken_in_a_row = 0
        for packet in self._packets(interrupted):
            try:
                frames = self._decode(packet)
            except av.error.EOFError:
                return
            except (av.error.FFmpegError, ValueError) as error:
                self.broken_packets += 1
                broken_in_a_row += 1
                if broken_in_a_row <= BROKEN_MAX:
                    continue
                if self._path is not None:
                    return
                raise StreamLostError(
                    f"{self.shown}: {BROKEN_MAX} packets in a row cannot be decoded ({plain(error)}); "
                    "is the stream encrypted or damaged?"
                ) from error
            for frame in frames:
                broken_in_a_row = 0
                yield frame

    def _decode(self, packet: av.Packet) -> list[av.VideoFrame]:
        if packet.size == 0:
            return self._decoder.decode(None)
        change = change_in(bytes(packet), self._codec) if self._codec and packet.is_keyframe else None
        if change is None:
            return self._decoder.decode(packet)
        at, codec = change
        held = []
        if at > DELIMITER_BYTES:
            last, first = av.Packet(bytes(packet)[:at]), av.Packet(bytes(packet)[at:])
            last.pts, last.dts, last.time_base = packet.pts, packet.dts, packet.time_base
            held, packet = self._decoder.decode(last), first
        held += self._decoder.decode(None)
        self._codec, self._decoder = codec, av.CodecContext.create(codec, "r")
        self._decoder.options = codec_options(self._options)
        self._decoder.thread_type = "AUTO"
        return [*held, *self._decoder.decode(packet)]

    def _packets(self, interrupted: Callable[[], bool] | None) -> Iterator[av.Packet]:
        failed_in_a_row = 0
        packets = self._container.demux()
        video = self._stream.index
        while not (interrupted and interrupted()):
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, ValueError) as error:
                if self._path is None:
                    raise StreamLostError(f"{self.shown}: {self._why_lost(error)}") from error
                if self._follow and isinstance(error, _SILENT):
                    yield from self._flush()
                    return
                self.broken_packets += 1
                failed_in_a_row += 1
                if failed_in_a_row >= READ_AGAIN:
                    yield from self._flush()
                    return
                packets = self._container.demux()  # a generator that has raised is over
                continue
            except IndexError:  # PyAV's own, at the end of a file in which another track appeared on the way
                yield from self._flush()
                return
            if packet is None:
                return
            failed_in_a_row = 0
            is_video = packet.stream.index == video
            # A camera whose picture is gone may go on sending sound, or packets without a key frame.
            if self._path is None and time.monotonic() - self._asked_at_s > self._quiet_s:
                what = "only packets that give none" if is_video else "only other tracks"
                raise StreamLostError(f"{self.shown}: no picture came for {self._quiet_s:g} s, {what}")
            if not is_video:
                continue
            self.packets_read += packet.size > 0 and not packet.is_discard
            self._read_to = packet.pos or self._read_to
            yield packet

    def _why_lost(self, error: BaseException) -> str:
        if isinstance(error, _SILENT):
            return f"nothing came for {self._quiet_s:g} s"
        return f"broke off ({plain(error)})"

    def _flush(self) -> Iterator[av.Packet]:
        """An empty packet: the decoder gives the frames it still holds."""
        packet = av.Packet()
        packet.stream = self._stream
        yield packet


def open_video(
    source: MediaSource, options: OpenOptions | None = None, *, repair: TimeRepair | None = None
) -> VideoReader:
    """Opens a video and chooses its track.

    Args:
        source: a path, a URL or an open binary file.
        options: timeouts, protocols, the name in messages.
        repair: continues the media time of earlier inputs (loops, reconnects); None = time starts at 0.

    Raises:
        UnreadableError: it cannot be opened.
        NoVideoError: it holds no video.
    """
    return VideoReader(source, options or OpenOptions(), repair)
