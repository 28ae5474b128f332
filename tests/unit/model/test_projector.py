"""Pooling to square grids."""

from __future__ import annotations

import pytest
import torch

from mobile_videogpt.projector import pool_grid


def test_tokens_without_square_grid_are_refused() -> None:
    with pytest.raises(ValueError, match="392 tokens do not make a square"):
        pool_grid(torch.zeros(1, 392, 4), 7)
