"""Overlapping chunks, joined into one block."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mobile_videogpt.context import fingerprint, visual_block
from mobile_videogpt.errors import ReplyError
from mobile_videogpt.tokens import Tokens

WIDTH = 6


FRAMES = torch.randn(64, 3, WIDTH, generator=torch.Generator().manual_seed(0))


def chunk(start: int, noise: float = 0.0, batched: bool = True) -> Tokens:
    context = FRAMES[start : start + 8] * (1 + noise)
    video = torch.full((2, WIDTH), float(start))
    extra = (context[None], video[None]) if batched else (context, video)
    return Tokens(*extra, torch.zeros(1))


def expected(frames: list[int], starts: list[int]) -> Tensor:
    video = [torch.full((2, WIDTH), float(start)) for start in starts]
    return torch.cat([FRAMES[frames].flatten(0, 1), *video])[None]


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), max_size=2), st.booleans())
def test_overlapping_frames_count_once(steps: list[int], with_ids: bool) -> None:
    starts = [0]
    for step in steps:
        starts.append(starts[-1] + step)
    frames = sorted({f for start in starts for f in range(start, start + 8)})
    chunks = [chunk(start) for start in starts]
    ids = [list(range(start, start + 8)) for start in starts] if with_ids else None
    assert torch.equal(visual_block(chunks, ids, max_frames=99), expected(frames, starts))


def test_one_chunk_is_images_then_video() -> None:
    for batched in (True, False):
        assert torch.equal(visual_block([chunk(0, batched=batched)]), chunk(0).merged())


def test_rounded_frame_is_same_frame() -> None:
    block = visual_block([chunk(0), chunk(4, noise=2e-4)], max_frames=99)
    assert block.shape[1] == 12 * 3 + 4


def test_excess_frames_are_thinned_evenly() -> None:
    block = visual_block([chunk(0), chunk(8), chunk(16)])
    assert block.shape[1] == 16 * 3 + 6
    kept = block[0, : 16 * 3].unflatten(0, (16, 3))
    where = [int((frame == FRAMES).all(2).all(1).nonzero()) for frame in kept]
    assert (where[0], where[-1]) == (0, 23)
    assert {b - a for a, b in itertools.pairwise(where)} == {1, 2}
    assert torch.equal(visual_block([chunk(0)], max_frames=1)[0, :3], FRAMES[7])


def test_misfitting_chunks_are_refused() -> None:
    with pytest.raises(ReplyError, match="no chunk"):
        visual_block([])
    two = Tokens(torch.zeros(2, 8, 3, WIDTH), torch.zeros(2, 2, WIDTH), torch.zeros(1))
    with pytest.raises(ReplyError, match=r"shape \[2, 8, 3, 6\].*one by one"):
        visual_block([two])
    with pytest.raises(ReplyError, match="1 lists of frame ids for 2 chunks"):
        visual_block([chunk(0), chunk(4)], [[1]])
    with pytest.raises(ReplyError, match="8 frames but 3 frame ids"):
        visual_block([chunk(0)], [[1, 2, 3]])
    odd = Tokens(torch.zeros(8, 3, WIDTH), torch.zeros(2, WIDTH + 1), torch.zeros(1))
    with pytest.raises(ReplyError, match=r"different widths \[6, 7\]"):
        visual_block([odd])


def test_fingerprint_depends_on_content() -> None:
    block = FRAMES[:2]
    assert fingerprint(block) == fingerprint(block.clone()) == fingerprint(block.transpose(0, 1).transpose(0, 1))
    assert fingerprint(block) != fingerprint(block + 1e-6)
    assert fingerprint(block) != fingerprint(block.flatten(0, 1))
    assert fingerprint(block) != fingerprint(block.bfloat16())


def test_large_values_keep_their_dtype() -> None:
    """Image tokens fit float16 and travel as such; the video tokens beside them do not."""
    large = torch.full((2, WIDTH), 1e6)
    block = visual_block([Tokens(torch.ones(8, 3, WIDTH, dtype=torch.float16), large, torch.zeros(1))])
    assert torch.equal(block[0, -2:], large)
