"""Models and checkpoints that several test files read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mobile_videogpt.config import MobileVideoGPTConfig
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.tokenizer import tiny_tokenizer
from tests.unit.model.builders import random_text_model
from tests.unit.model.published import small_state, write_checkpoint


@pytest.fixture(scope="session")
def text_model() -> MobileVideoGPT:
    """A text model with random weights, for tests that do not change it."""
    return random_text_model()


@pytest.fixture(scope="session")
def action_model() -> MobileVideoGPT:
    """A text model whose replies begin with their action token."""
    model = random_text_model()
    model.config = replace(model.config, reply_action=True)
    return model


@pytest.fixture(scope="session")
def vision_model() -> MobileVideoGPT:
    torch.manual_seed(0)
    return MobileVideoGPT(MobileVideoGPTConfig.tiny(), part="vision").eval()


@pytest.fixture
def tiny_folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    model = MobileVideoGPT(MobileVideoGPTConfig.tiny())
    model.tokenizer = tiny_tokenizer()
    model.save_pretrained(tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


@pytest.fixture(scope="session")
def published_state() -> dict[str, Tensor]:
    """Weights under published names."""
    return small_state()


@pytest.fixture
def published_folder(tmp_path: Path, published_state: dict[str, Tensor]) -> Path:
    """A checkpoint folder with them."""
    return write_checkpoint(tmp_path / "checkpoint", published_state)
