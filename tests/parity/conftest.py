"""The reference's outputs, the model with the recipe's weights, and a longer timeout."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobile_videogpt.modeling import MobileVideoGPT
from tests.parity.golden import Golden, golden_dir

TIMEOUT_S = 900


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TIMEOUT_S))


@pytest.fixture(scope="session")
def golden() -> Golden:
    return Golden(golden_dir())


@pytest.fixture(scope="session")
def model(golden: Golden) -> MobileVideoGPT:
    return golden.model()
