"""A camera over WebRTC: a real peer on this machine, no STUN server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from fractions import Fraction

import av
import httpx
import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack

from cornerman_gateway.app_state import AppState
from cornerman_shared.bus.codec import unpack_map
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.registry import put_source
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import Settings
from tests.integration.gateway_harness import caller, gateway
from tests.integration.test_gateway_api import with_web

SDP = {"Content-Type": "application/sdp"}


class Colours(VideoStreamTrack):
    """20 pictures a second of one colour after another."""

    count = 0

    async def recv(self) -> av.VideoFrame:
        await asyncio.sleep(0.05)
        pixels = np.full((240, 320, 3), (self.count * 8 % 256, 90, 160), np.uint8)
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts, frame.time_base = self.count * 4500, Fraction(1, 90000)
        self.count += 1
        return frame


@pytest.fixture
async def web(settings: Settings, bus: Bus) -> AsyncIterator[tuple[httpx.AsyncClient, AppState]]:
    await put_source(bus, SourceSpec(source_id="phone", url="push://phone"))
    await put_source(bus, SourceSpec(source_id="file", url="test://pattern"))
    async with gateway(with_web(settings), bus) as (url, state), caller(url) as client:
        yield client, state


async def test_peer_pictures_reach_push_stream(web: tuple[httpx.AsyncClient, AppState], bus: Bus) -> None:
    client, state = web
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.addTrack(Colours())
    await peer.setLocalDescription(await peer.createOffer())
    answer = await client.post("/api/sources/phone/whip", content=peer.localDescription.sdp, headers=SDP)
    assert answer.status_code == 201
    assert answer.headers["content-type"].startswith("application/sdp")
    assert "stun" not in answer.text
    await peer.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
    key = bus.keys("phone").push("phone")
    async with asyncio.timeout(60):
        while await bus.redis.xlen(key) < 8:
            await asyncio.sleep(0.05)
    rows = [unpack_map(fields[FIELD]) for _, fields in await bus.redis.xrange(key)]
    times = [row["pts_s"] for row in rows]
    assert times == sorted(times) and times[-1] > times[0]
    assert all(row["jpeg"][:3] == b"\xff\xd8\xff" for row in rows)
    second = await client.post("/api/sources/phone/whip", content=peer.localDescription.sdp, headers=SDP)
    assert second.status_code == 409
    assert (await client.delete(answer.headers["location"])).status_code == 200
    assert (await client.delete(answer.headers["location"])).status_code == 404
    assert not state.pushing and not state.whip.sessions
    await peer.close()


async def test_invalid_offer_is_refused(web: tuple[httpx.AsyncClient, AppState]) -> None:
    client, state = web
    for content in ("", "hello", "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", "\x00" * 500):
        answer = await client.post("/api/sources/phone/whip", content=content, headers=SDP)
        assert answer.status_code == 422, content
        assert answer.json()["title"] == "this offer cannot be answered"
    assert (await client.post("/api/sources/phone/whip", content=b"\xff\xfe", headers=SDP)).status_code == 422
    assert (await client.post("/api/sources/phone/whip", json={})).status_code == 415
    assert (await client.post("/api/sources/file/whip", content="v=0", headers=SDP)).status_code == 409
    assert (await client.post("/api/sources/none/whip", content="v=0", headers=SDP)).status_code == 404
    assert not state.pushing and not state.whip.sessions
