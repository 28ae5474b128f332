"""Landmarks of a source while someone shows an exercise: collected for a while, in bounded memory, for teaching.

Nothing is written to disk. Entries of the features stream are there for seconds only, so they are read as they come.
"""

from __future__ import annotations

import asyncio
import bisect
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from cornerman_gateway.feature_reader import FeatureReader
from cornerman_gateway.problems import Problem
from cornerman_pose.errors import PoseError
from cornerman_pose.wire import unpack_chunk
from cornerman_shared.bus.codec import unpack
from cornerman_shared.bus.messages import Features
from cornerman_shared.errors import MalformedError, RetryableError
from cornerman_shared.process.logs import get_logger
from cornerman_shared.redact import redact_url
from cornerman_shared.text import clean_text

if TYPE_CHECKING:
    from cornerman_pose.landmarks import SeenChunk
    from cornerman_shared.aio import Spawn
    from cornerman_shared.bus.connection import Bus

log = get_logger("gateway")

MOST_S: Final = 120.0
"""Of media time; teaching takes no longer examples."""
MOST_BYTES: Final = 8 * 1024 * 1024
"""Of landmarks in one recording: two minutes of three people at eight frames a second are half of it."""
MOST_RECORDINGS: Final = 8
KEPT_S: Final = 600.0
"""A recording that has ended can be taught from for so long."""
LAST_S: Final = 2.0
"""How long frames that were captured before the end may still take to be encoded."""
POLL_S: Final = 0.1


@dataclass
class PoseRecording:
    """Landmarks of one source from a moment on.

    Attributes:
        began_s: unix seconds.
        until_s: unix seconds; frames captured up to then belong to it.
        chunks: in order, with times in seconds since the first frame.
        seconds: of media time so far.
        frames: that were looked at.
        with_person: frames of them that show a person.
        problem: why it is of no use; empty = it is.
        ended: when nothing more is collected.
    """

    recording_id: str
    source_id: str
    began_s: float
    until_s: float
    chunks: list[SeenChunk] = field(default_factory=list)
    seconds: float = 0.0
    frames: int = 0
    with_person: int = 0
    problem: str = ""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _run: str = ""
    _first_s: float = 0.0
    _bytes: int = 0
    _seqs: list[int] = field(default_factory=list)
    _person_at: dict[float, bool] = field(default_factory=dict)

    def take(self, features: Features) -> bool:
        """Adds a chunk; False = the recording is over, because of its end or a bound.

        Raises:
            PoseError: landmarks of another release.
        """
        if features.people is None or not features.frame_pts_s:
            return features.times.captured_at_s < self.until_s
        if self._run not in ("", features.run):
            self.problem = "the source began anew while it was recorded; record again"
            return False
        seen, _ = unpack_chunk(features.people, features.frame_pts_s)
        if not self.chunks:
            self._run, self._first_s = features.run, seen.frame_pts_s[0]
        last_s = seen.frame_pts_s[-1] - self._first_s
        if last_s > MOST_S or self._bytes + features.people.nbytes > MOST_BYTES:
            return False
        # Several encoders finish in any order; one from before the first is not needed.
        at = bisect.bisect(self._seqs, features.seq)
        if not self._seqs or (at > 0 and self._seqs[at - 1] != features.seq):
            self._seqs.insert(at, features.seq)
            # Media times of a camera that has run for weeks do not fit the tracks' small floats.
            times_s = tuple(pts_s - self._first_s for pts_s in seen.frame_pts_s)
            self.chunks.insert(at, replace(seen, frame_pts_s=times_s))
            self._bytes += features.people.nbytes
            for index, pts_s in enumerate(seen.frame_pts_s):
                self._person_at[pts_s] = bool(seen.found[:, index].any())
            self.frames, self.with_person = len(self._person_at), sum(self._person_at.values())
            self.seconds = max(self.seconds, last_s)
        return features.times.captured_at_s < self.until_s


class Recordings:
    """The recordings of one gateway.

    Args:
        bus: where encoders put landmarks.
        spawn: starts a task that lives as long as the gateway.
    """

    def __init__(self, bus: Bus, spawn: Spawn) -> None:
        self._bus = bus
        self._spawn = spawn
        self._known: dict[str, PoseRecording] = {}

    async def begin(self, source_id: str, seconds: float) -> PoseRecording:
        """Collects from now on, for at most `seconds`.

        Raises:
            Problem: 429, too many are under way.
            RetryableError: no answer from the server.
        """
        self.sweep()
        if len(self._known) >= MOST_RECORDINGS:
            over = next((one for one in self._known.values() if one.ended.is_set()), None)
            if over is None:
                raise Problem(
                    429, "too many recordings", f"{MOST_RECORDINGS} are under way; stop one, or wait for its end"
                )
            del self._known[over.recording_id]
        now_s = self._bus.clock.now_s()
        recording = PoseRecording(secrets.token_hex(8), source_id, now_s, now_s + seconds)
        self._known[recording.recording_id] = recording
        try:
            reader = await FeatureReader.at_newest(self._bus, source_id)
        except BaseException:
            self._known.pop(recording.recording_id, None)
            raise
        self._spawn(self._collect(recording, reader))
        return recording

    def get(self, recording_id: str) -> PoseRecording:
        """One that is known.

        Raises:
            Problem: 404.
        """
        self.sweep()
        found = self._known.get(recording_id)
        if found is None:
            raise Problem(
                404,
                "there is no such recording",
                f"recording {recording_id!r} is not known to this gateway: it keeps one for {KEPT_S / 60:.0f} minutes "
                "after its end; record again",
            )
        return found

    async def stop(self, recording: PoseRecording) -> None:
        """Ends it now; returns when the frames captured before have come, or should have."""
        recording.until_s = min(recording.until_s, self._bus.clock.now_s())
        await recording.ended.wait()

    def remove(self, recording_id: str) -> None:
        """Forgets one, and stops collecting for it.

        Raises:
            Problem: 404.
        """
        recording = self.get(recording_id)
        recording.until_s = 0.0
        del self._known[recording_id]

    def ends_in_s(self, recording: PoseRecording) -> float:
        """Seconds that are left; 0.0 = it has ended."""
        return 0.0 if recording.ended.is_set() else max(0.0, recording.until_s - self._bus.clock.now_s())

    def sweep(self) -> None:
        """Forgets those that ended `KEPT_S` ago."""
        oldest_s = self._bus.clock.now_s() - KEPT_S
        self._known = {key: one for key, one in self._known.items() if not one.ended.is_set() or one.until_s > oldest_s}

    async def _collect(self, recording: PoseRecording, reader: FeatureReader) -> None:
        try:
            await self._follow(recording, reader)
        except Exception as error:
            # Of a key of the source, or its landmarks: the gateway goes on.
            log.exception("recording_broke_off", source_id=recording.source_id)
            recording.problem = f"the recording broke off ({clean_text(redact_url(str(error)), 200)}); record again"
        finally:
            recording.ended.set()

    async def _follow(self, recording: PoseRecording, reader: FeatureReader) -> None:
        going, fault = True, ""
        while going and self._bus.clock.now_s() < recording.until_s + LAST_S:
            bodies: list[bytes] = []
            before, fault = fault, ""
            try:
                bodies = await reader.read()
            except RetryableError as error:
                fault = str(error)
                if fault != before:
                    log.warning("recording_waits", source_id=recording.source_id, error=fault)
            for body in bodies:
                if going := self._take(recording, body):
                    continue
                break
            else:
                await asyncio.sleep(POLL_S)

    @staticmethod
    def _take(recording: PoseRecording, body: bytes) -> bool:
        try:
            features = unpack(body, Features)
            return features.source_id != recording.source_id or recording.take(features)
        except (MalformedError, PoseError) as error:
            log.warning("landmarks_unusable", source_id=recording.source_id, error=str(error))
            return True
