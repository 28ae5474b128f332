"""What a peer over WebRTC sends ends this peer at most, never the gateway."""

from __future__ import annotations

import asyncio
from unittest.mock import AsyncMock, Mock

import pytest

from cornerman_gateway.whip import Whip, WhipSession


@pytest.fixture
async def whip() -> Whip:
    return Whip(Mock(), asyncio.get_running_loop().create_task, {"cam"})


def session_of(whip: Whip) -> WhipSession:
    session = whip.sessions["s"] = WhipSession("s", "cam", Mock(close=AsyncMock()))
    return session


async def test_decoder_error_ends_its_peer(whip: Whip) -> None:
    session = session_of(whip)
    await whip._take(session, Mock(recv=AsyncMock(side_effect=ValueError("a frame of no size"))))
    assert session.ended.is_set() and not whip.sessions and not whip._pushing


async def test_bad_picture_is_passed_over(whip: Whip) -> None:
    session = session_of(whip)
    await whip._write(session, Mock(jpeg=Mock(side_effect=ValueError("Invalid argument"))), Mock(time=1.0))
    assert (session.passed_over, session.ended.is_set()) == (1, False)
