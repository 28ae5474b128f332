"""Frame selection by attention."""

from __future__ import annotations

import pytest
import torch

from mobile_videogpt.selection import frame_scores, select_frames


def test_frame_scores_are_attention_column_sums() -> None:
    tokens = torch.randn(3, 4, 5, 6)
    scores = frame_scores(tokens)
    torch.testing.assert_close(scores.sum(-1), torch.full((3,), 20.0))
    louder = tokens.clone()
    louder[:, 2] = tokens.mean((1, 2))[:, None] * 9
    assert select_frames(louder, 4).indices.tolist() == [[0, 1, 2, 3]] * 3
    with pytest.raises(ValueError, match="cannot select 5 of 4"):
        select_frames(tokens, 5)
