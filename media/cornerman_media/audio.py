"""The sound of one file, copied packet by packet into another, on the time of a player."""

from __future__ import annotations

import io
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

import av
import av.container
import av.error
import av.stream

from cornerman_media.info import describe
from cornerman_media.opening import MediaSource, OpenOptions, open_container, shown_name
from cornerman_media.timestamps import TimeRepair
from cornerman_media.tracks import choose_video

SAME_CLOCK_S: Final = 0.5
"""A repaired time this near to the raw one means that the clock was not reset, and the raw ticks are kept."""


class AudioCopy:
    """The first audio track of a file, read for the second time beside its video.

    Args:
        source: the file that the video comes from.

    Raises:
        MediaError: it cannot be opened.
    """

    def __init__(self, source: MediaSource) -> None:
        options = OpenOptions()
        self._container = open_container(source, options)
        try:
            video = choose_video(self._container, shown_name(source, options))
            self._zero_s = describe(self._container, video).zero_s
        except BaseException:
            self._container.close()
            raise
        sounds = [one for one in self._container.streams.audio if one.codec_context is not None]
        self._sound = sounds[0] if sounds else None
        if hasattr(av.stream, "Discard"):
            for stream in self._container.streams:
                if stream is not self._sound:
                    stream.discard = av.stream.Discard.all
        self._out: av.audio.stream.AudioStream | None = None
        self._packets: Iterator[tuple[float, av.Packet]] = iter(())
        self._next: tuple[float, av.Packet] | None = None
        self.packets = 0
        """Packets copied."""
        self.broken_packets = 0
        """Packets that the new film's format refuses; they are left out."""
        self.why_not = ""
        """Why there is no sound in the copy, for people; "" = there is, or the source has none."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    def attach(self, target: av.container.OutputContainer, name: str) -> None:
        """Adds the track to a film before its first packet; `why_not` says why if that is impossible."""
        if self._sound is None:
            return
        codec = self._sound.codec_context.name
        if not _can_hold(target.format.name, self._sound):
            self.why_not = f"the sound is left out: {name} cannot hold {codec}; write an .mkv to keep it"
            return
        self._out = target.add_stream_from_template(self._sound)
        self._packets = self._rebased()
        self._next = next(self._packets, None)

    @property
    def note(self) -> str:
        """Faults of the copied sound, for people; "" = none."""
        if self.why_not:
            return self.why_not
        return f"{self.broken_packets} broken packets of sound were left out" if self.broken_packets else ""

    def mux_until(self, target: av.container.OutputContainer, time_s: float) -> None:
        """Writes the packets that begin before a time of the player, seconds; infinity = all that are left."""
        for packet in self.until(time_s):
            try:
                target.mux(packet)
            except av.error.InvalidDataError:
                self.packets -= 1
                self.broken_packets += 1

    def until(self, time_s: float) -> Iterator[av.Packet]:
        """Packets that begin before a time of the player, seconds; infinity = all that are left."""
        while self._next is not None and self._next[0] < time_s:
            self.packets += 1
            yield self._next[1]
            self._next = next(self._packets, None)

    def _rebased(self) -> Iterator[tuple[float, av.Packet]]:
        assert self._sound is not None and self._out is not None and self._sound.time_base is not None
        seconds = float(self._sound.time_base)
        times: TimeRepair | None = None
        begins_s = shift_s = 0.0
        last: int | None = None
        for packet in self._read():
            if packet.dts is None or packet.size == 0:
                continue
            raw_s = packet.dts * seconds - self._zero_s
            if times is None:
                times, begins_s = TimeRepair((packet.duration or 0) * seconds), raw_s
            time_s = times.stamp(raw_s, (packet.duration or 0) * seconds) + begins_s
            if abs(time_s - raw_s - shift_s) > SAME_CLOCK_S:
                shift_s = time_s - raw_s
            move = round((shift_s - self._zero_s) / seconds)
            dts = packet.dts + move
            if last is not None and dts <= last:
                continue  # a muxer refuses what does not rise
            packet.pts = dts if packet.pts is None else packet.pts + move
            packet.dts = last = dts
            packet.stream = self._out
            yield time_s, packet

    def _read(self) -> Iterator[av.Packet]:
        packets = self._container.demux(self._sound)
        while True:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, ValueError, IndexError):
                return  # the reader of the picture counts damage
            if packet is None:
                return
            yield packet


def _can_hold(form: str, sound: av.audio.stream.AudioStream) -> bool:
    """Tried, because FFmpeg's own table of what a format holds has gaps: a header with this track alone is written."""
    try:
        with av.open(io.BytesIO(), "w", format=form) as trial:
            trial.add_stream_from_template(sound)
            trial.start_encoding()
    except (av.error.FFmpegError, ValueError):
        return False
    return True
