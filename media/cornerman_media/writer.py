"""Writes a video: frames at the times they are given, one size, beside the sound of its source; all of it or nothing.

The file is written under another name in the same folder and takes its own name only when it is whole. A recording that
must outlive its process is written under its own name, in fragments that can be read as soon as they are there.
"""

from __future__ import annotations

import contextlib
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import av
import av.container
import av.error
import numpy as np
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from cornerman_media.audio import AudioCopy
from cornerman_media.colour import Colours
from cornerman_media.errors import WriteError
from cornerman_media.scaling import boxed, fit

TIME_BASE: Final = Fraction(1, 90_000)
_CODECS: Final = {".webm": "libvpx-vp9"}
_MIN_TICKS: Final = 10_000
_MAX_TICKS: Final = 1_000_000
_FRAGMENTS: Final = {
    "movflags": "frag_keyframe+empty_moov+default_base_moof",
    "frag_duration": "1000000",  # microseconds
    "flush_packets": "1",
}


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How a film is encoded.

    Args:
        rate: usual frames a second; only a hint to the encoder; the frames' own times are kept.
        time_base: the film's tick, seconds; None = fine enough for `rate`.
        codec: FFmpeg's name of the encoder; "" = H.264, or VP9 for .webm.
        pixel_format: FFmpeg's name; yuv420p plays everywhere.
        codec_options: for the encoder, such as {"crf": "24"}.
        start_s: where a player shows media time 0, seconds.
        live: MP4 in fragments of a second under its own name: what was written can be read when the process is killed.
    """

    rate: Fraction = Fraction(30)
    time_base: Fraction | None = None
    codec: str = ""
    pixel_format: str = "yuv420p"
    codec_options: Mapping[str, str] = field(default_factory=dict)
    start_s: float = 0.0
    live: bool = False


class VideoWriter:
    """A film being written. Use it with `with`: an error inside leaves no file, and none that was there is touched.

    A live one keeps what was written.

    Args:
        target: path; its suffix says the format.
        options: how it is encoded.
        audio: sound to copy; None = silent.
    """

    def __init__(self, target: Path, options: WriteOptions | None = None, audio: AudioCopy | None = None) -> None:
        self.target = target
        self.frames = 0
        """Frames in the file so far."""
        self.size: tuple[int, int] | None = None
        """Width and height of the film, set by its first frame."""
        self._options = options or WriteOptions()
        self._audio = audio
        self._live = self._options.live
        part = target.with_name(f".{secrets.token_hex(8)}.part{target.suffix}")
        self._part = target if self._live else part
        self._container: av.container.OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._tick = _time_base(self._options)
        self._last: int | None = None
        self._lasts: dict[int, int] = {}  # presentation time -> how long, ticks
        self._colours = Colours()
        self._scaler = VideoReformatter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
        else:
            self.abort()

    def write(self, picture: NDArray[np.uint8] | av.VideoFrame, time_s: float, duration_s: float = 0.0) -> None:
        """Adds a frame.

        Args:
            picture: [H, W, 3] uint8 RGB, or a frame; upright, with square pixels. One of another size than the first
                is scaled to fit, with black beside it if its shape is another.
            time_s: media time, seconds; later than the frame before.
            duration_s: how long it is shown, seconds; used for the last one. 0 = as the rate says.

        Raises:
            WriteError: it cannot be written; the file is given up.
        """
        try:
            self._write(picture, time_s, duration_s)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            self.abort()
            raise WriteError(
                f"{self.target} cannot be written ({error}); check the disk, and the name's ending"
            ) from error

    def finish(self) -> None:
        """Writes the frames still held, and gives the file its name. Nothing happens when that has been done.

        Raises:
            WriteError: it cannot be written, or it has no frame.
        """
        container, stream = self._container, self._stream
        if container is None or stream is None:
            if self.frames == 0:
                self.abort()
                raise WriteError(f"{self.target} is not written: it was given no frame")
            return
        try:
            self._mux(stream.encode(None))
            if self._audio is not None:
                self._audio.mux_until(container, math.inf)
            container.close()
            self._container = None
            if not self._live:
                self._part.replace(self.target)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            self.abort()
            raise WriteError(f"{self.target} cannot be written ({error}); check the disk") from error

    def abort(self) -> None:
        """Leaves nothing behind, or what was written live."""
        if self._container is not None:
            with contextlib.suppress(av.error.FFmpegError, OSError, ValueError):  # its trailer may be what failed
                self._container.close()
            self._container = None
        if not self._live:
            self._part.unlink(missing_ok=True)

    def _write(self, picture: NDArray[np.uint8] | av.VideoFrame, time_s: float, duration_s: float) -> None:
        if isinstance(picture, av.VideoFrame):
            self._colours.learn(picture)
        if self._stream is None:
            self._open(picture)
        assert self._container is not None and self._stream is not None
        at_s = max(0.0, time_s + self._options.start_s)
        frame = self._shaped(picture)
        ticks = round(at_s / self._tick)
        ticks = ticks if self._last is None else max(ticks, self._last + 1)
        self._last = ticks
        self._lasts[ticks] = round(duration_s / self._tick)
        frame.pts, frame.time_base = ticks, self._tick
        frame.pict_type = 0  # the encoder chooses; the source's key frames mean nothing here
        if self._audio is not None:
            self._audio.mux_until(self._container, at_s)
        self._mux(self._stream.encode(frame))

    def _open(self, picture: NDArray[np.uint8] | av.VideoFrame) -> None:
        width, height = _size_of(picture)
        # 4:2:0 colour needs even sides.
        self.size = max(2, width // 2 * 2), max(2, height // 2 * 2)
        self._container = av.open(str(self._part), "w", options=_FRAGMENTS if self._live else {})
        codec = self._options.codec or _CODECS.get(self.target.suffix.lower(), "libx264")
        stream = self._container.add_stream(codec, rate=self._options.rate)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = self.size
        stream.pix_fmt = self._options.pixel_format
        stream.time_base = stream.codec_context.time_base = self._tick
        stream.options = dict(self._options.codec_options)
        self._colours.tag(stream.codec_context)
        if self._audio is not None:
            self._audio.attach(self._container, self.target.suffix or self.target.name)
        self._stream = stream

    def _shaped(self, picture: NDArray[np.uint8] | av.VideoFrame) -> av.VideoFrame:
        assert self.size is not None
        shape = _size_of(picture)
        if _near(shape, self.size):
            return self._colours.convert(self._scaler, picture, self.size, self._options.pixel_format)
        inner = fit(*shape, self.size)
        if _near(inner, self.size):
            return self._colours.convert(self._scaler, picture, self.size, self._options.pixel_format)
        small = self._colours.convert(VideoReformatter(), picture, inner, "rgb24").to_ndarray()
        return self._colours.convert(self._scaler, boxed(small, self.size), self.size, self._options.pixel_format)

    def _mux(self, packets: list[av.Packet]) -> None:
        assert self._container is not None
        for packet in packets:
            lasts = self._lasts.pop(packet.pts, 0) if packet.pts is not None else 0
            if lasts > 0:
                packet.duration = lasts
            self._container.mux(packet)
            self.frames += 1


def _near(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes differ by rounding to even sides only."""
    return abs(one[0] - other[0]) <= 1 and abs(one[1] - other[1]) <= 1


def _size_of(picture: NDArray[np.uint8] | av.VideoFrame) -> tuple[int, int]:
    if isinstance(picture, av.VideoFrame):
        return picture.width, picture.height
    return picture.shape[1], picture.shape[0]


def _time_base(options: WriteOptions) -> Fraction:
    """The tick asked for if it is usable, else one that the rate's frames fall on exactly."""
    asked = options.time_base
    if asked is not None and _MIN_TICKS / 10 <= 1 / asked <= _MAX_TICKS:
        return asked
    rate = options.rate
    if rate <= 0 or rate.numerator > _MAX_TICKS:
        return TIME_BASE
    ticks = rate.numerator
    while ticks < _MIN_TICKS:
        ticks *= 2
    return Fraction(1, ticks)
