"""A camera over WebRTC (WHIP, RFC 9725), from OBS or a browser. Needs the `webrtc` extra; without it the WebSocket
does the same.

No STUN or TURN server is asked: peers must reach each other directly, as in a home or an office. Frames that come while
the one before is being written are passed over; nothing queues up.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cornerman_gateway.problems import Problem
from cornerman_gateway.push import store_push
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    import av

    from cornerman_shared.aio import Spawn
    from cornerman_shared.bus.connection import Bus

log = get_logger("gateway")

WIDTH: Final = 960
QUALITY: Final = 85
MOST_SESSIONS: Final = 16
GATHER_S: Final = 10.0


@dataclass
class WhipSession:
    """One peer that sends video."""

    session_id: str
    source_id: str
    peer: Any  # aiortc has no types of its own
    began_s: float | None = None
    pictures: int = 0
    passed_over: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Whip:
    """The peers of one gateway."""

    def __init__(self, bus: Bus, spawn: Spawn, pushing: set[str]) -> None:
        self._bus = bus
        self._spawn = spawn
        self._pushing = pushing
        self.sessions: dict[str, WhipSession] = {}

    async def offer(self, source_id: str, sdp: str) -> tuple[str, str]:
        """Answers an offer: (session id, SDP). Pictures go to the source's push stream until either side ends it.

        Raises:
            Problem: 409 taken, 422 no offer of video, 501 without the extra, 503 too many.
        """
        try:
            from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
        except ImportError:
            raise Problem(
                501, "WebRTC is not installed here", "pip install 'cornerman[webrtc]', or push over camera.ws"
            ) from None
        if source_id in self._pushing:
            raise Problem(409, "another camera pushes here", "end it first, or choose another source_id")
        if len(self.sessions) >= MOST_SESSIONS:
            raise Problem(503, "too many cameras over WebRTC", f"at most {MOST_SESSIONS} are taken; end one")
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        session = WhipSession(secrets.token_urlsafe(12), source_id, peer)
        peer.on("track", lambda track: self._on_track(session, track))
        peer.on("connectionstatechange", lambda: self._on_state(session))
        self._pushing.add(source_id)
        self.sessions[session.session_id] = session
        try:
            async with asyncio.timeout(GATHER_S):
                await peer.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
                if not any(item.receiver.track and item.kind == "video" for item in peer.getTransceivers()):
                    raise ValueError("it offers no video")
                await peer.setLocalDescription(await peer.createAnswer())
        except Exception as error:
            # aiortc raises whatever its parser stumbled over; all of it means that the offer was no good.
            await self.end(session.session_id)
            raise Problem(422, "this offer cannot be answered", f"sdp: {error or type(error).__name__}") from error
        return session.session_id, str(peer.localDescription.sdp)

    def _on_track(self, session: WhipSession, track: Any) -> None:
        if track.kind == "video":
            self._spawn(self._take(session, track))

    def _on_state(self, session: WhipSession) -> None:
        if session.peer.connectionState in ("failed", "closed"):
            session.ended.set()
            self._spawn(self._end_quietly(session.session_id))

    async def _end_quietly(self, session_id: str) -> None:
        await self.end(session_id)

    async def _take(self, session: WhipSession, track: Any) -> None:
        """Reads as fast as frames come, so that aiortc's own queue stays empty; writes the newest when free."""
        from aiortc.mediastreams import MediaStreamError

        from cornerman_media.jpeg import JpegEncoder

        maker = JpegEncoder(WIDTH, QUALITY)
        writing: asyncio.Task[None] | None = None
        try:
            while not session.ended.is_set():
                frame = await track.recv()
                if writing is not None and not writing.done():
                    session.passed_over += 1
                    continue
                writing = self._spawn(self._write(session, maker, frame))
        except MediaStreamError:
            pass  # the peer ended its track
        except Exception:
            # Of a decoder, as the peer chose what it sends: only this peer goes.
            log.exception("peer_failed", source_id=session.source_id)
        finally:
            await self.end(session.session_id)

    async def _write(self, session: WhipSession, maker: Any, frame: av.VideoFrame) -> None:
        seconds = float(frame.time or 0.0)
        if session.began_s is None:
            session.began_s = seconds
        try:
            jpeg = await asyncio.to_thread(maker.jpeg, frame)
            await store_push(self._bus, session.source_id, max(0.0, seconds - session.began_s), jpeg)
            session.pictures += 1
        except Exception as error:  # FFmpeg's own, too: one picture must not end the gateway
            session.passed_over += 1
            log.warning("picture_lost", source_id=session.source_id, error=f"{type(error).__name__}: {error}")

    async def end(self, session_id: str) -> bool:
        """Lets a peer go. False = there is none of this id."""
        session = self.sessions.pop(session_id, None)
        if session is None:
            return False
        session.ended.set()
        self._pushing.discard(session.source_id)
        with contextlib.suppress(ConnectionError, asyncio.InvalidStateError):
            await session.peer.close()
        return True

    async def close(self) -> None:
        """Lets every peer go."""
        for session_id in list(self.sessions):
            await self.end(session_id)
