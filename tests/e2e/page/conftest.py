"""A private server for each test of the page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.server_binary import find_binary
from cornerman_shared.settings.tree import Settings
from tests.conftest import Server, fast_settings


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server in memory: an actor writes many pictures a second, and the disk must not slow it down."""
    server = Server(find_binary(), tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def settings(own_server: Server, tmp_path: Path) -> Settings:
    return fast_settings(own_server.url, tmp_path)


@pytest.fixture
async def bus(settings: Settings) -> AsyncIterator[Bus]:
    async with Bus.connect(settings) as bus:
        await bus.ready(60)
        yield bus
