"""The reference's outputs and the model with the recipe's weights, made once; and time enough for a slow machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobile_videogpt.modeling import MobileVideoGPT
from tests.parity.golden import Golden, golden_dir

HANGS_S = 900


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(HANGS_S))


@pytest.fixture(scope="session")
def golden() -> Golden:
    return Golden(golden_dir())


@pytest.fixture(scope="session")
def model(golden: Golden) -> MobileVideoGPT:
    return golden.model()
