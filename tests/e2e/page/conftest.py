"""Every test of the page has a server of its own, which it may kill."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.bus import Bus
from shared.config import Settings
from tests.conftest import Server, fast_settings


@pytest.fixture
async def settings(own_server: Server, tmp_path: Path) -> Settings:
    return fast_settings(own_server.url, tmp_path)


@pytest.fixture
async def bus(settings: Settings) -> AsyncIterator[Bus]:
    async with Bus.connect(settings) as bus:
        await bus.ready(10)
        yield bus
