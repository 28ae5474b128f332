"""A tiny model, and one torch thread: with small tensors two threads wait for each other."""

from collections.abc import Iterator

import pytest
import torch

from mobile_videogpt.config import MobileVideoGPTConfig
from mobile_videogpt.modeling import MobileVideoGPT


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_model() -> MobileVideoGPT:
    torch.manual_seed(0)
    return MobileVideoGPT(MobileVideoGPTConfig.tiny(), "all").eval()
