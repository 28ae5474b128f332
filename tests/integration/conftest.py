"""A bus on a separate server, which the test may kill."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cornerman_shared.bus.connection import Bus
from tests.conftest import Server, fast_settings


@pytest.fixture
async def own_bus(own_server: Server, tmp_path: Path) -> AsyncIterator[Bus]:
    async with Bus.connect(fast_settings(own_server.url, tmp_path)) as bus:
        await bus.ready(60)
        yield bus
