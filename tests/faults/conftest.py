"""Fixtures of the fault tests: a printed seed, and a group of service processes on a server of its own."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Server
from tests.faults.service_group import ServiceGroup


@pytest.fixture
def seed() -> int:
    seed = int(os.environ.get("CORNERMAN_SEED") or secrets.randbelow(1_000_000))
    print(f"CORNERMAN_SEED={seed}")
    return seed


@pytest.fixture
def group(own_server: Server, tmp_path: Path, seed: int) -> Iterator[ServiceGroup]:
    group = ServiceGroup(own_server.url, tmp_path, seed)
    yield group
    group.stop()
