"""The reference's outputs and the model with the recipe's weights, made once."""

from __future__ import annotations

import pytest

from mobile_videogpt.modeling import MobileVideoGPT
from tests.parity.golden import Golden, golden_dir


@pytest.fixture(scope="session")
def golden() -> Golden:
    return Golden(golden_dir())


@pytest.fixture(scope="session")
def model(golden: Golden) -> MobileVideoGPT:
    return golden.model()
