"""Checks, grouping and compact tokens of the encoder core."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cornerman_encoder.core import (
    MAX_FAILURES,
    PROOF_S,
    Pixels,
    checked,
    compact,
    groups_of_equal_size,
    is_broken,
    n_frames,
    unread,
)
from cornerman_encoder.hops import features_of
from cornerman_shared.bus.messages import Times
from cornerman_shared.errors import PoisonError
from tests.unit.encoder.chunks import batch, pixels_of


def frames_of(height: int, width: int) -> Pixels:
    return np.zeros((8, height, width, 3), np.uint8)


def test_frames_of_a_chunk_pass() -> None:
    frames = np.zeros((8, 4, 6, 3), np.uint8)
    assert checked(frames) is frames


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((8, 4, 6, 3), np.float32),
        np.zeros((7, 4, 6, 3), np.uint8),
        np.zeros((8, 4, 6), np.uint8),
        np.zeros((8, 4, 6, 4), np.uint8),
        np.zeros((8, 0, 6, 3), np.uint8),
    ],
    ids=["floats", "seven frames", "grey", "alpha", "no pixel"],
)
def test_wrong_frames_are_poison(frames: np.ndarray) -> None:
    with pytest.raises(PoisonError, match=r"frames are .*uint8 \[8, H, W, 3\]"):
        checked(frames)


def test_other_looks_have_as_many_frames_as_times() -> None:
    poll = replace(batch(np.zeros((16, 4, 6, 3), np.uint8))[0][0], look="poll", frame_pts_s=tuple(range(16)))
    assert n_frames(poll) == 16
    assert n_frames(replace(poll, look="chunk")) == 8
    assert len(checked(np.zeros((16, 4, 6, 3), np.uint8), 16, "poll")) == 16
    with pytest.raises(PoisonError, match=r"a poll has uint8 \[16, H, W, 3\]"):
        checked(np.zeros((8, 4, 6, 3), np.uint8), 16, "poll")
    assert "watch.frames" in unread("tiny", poll)


def test_equal_sizes_are_grouped_in_order() -> None:
    frames = [frames_of(4, 6), frames_of(6, 4), frames_of(4, 6), frames_of(2, 2), frames_of(6, 4)]
    assert groups_of_equal_size(frames) == [[0, 2], [1, 4], [3]]
    assert groups_of_equal_size([]) == []


def test_tokens_are_float16_unless_overflowing() -> None:
    small = np.array([[-65504.0, 1.0]], np.float32)
    large = np.array([[65600.0, 1.0]], np.float32)
    assert compact(small).dtype == np.float16
    assert compact(large).dtype == np.float32
    np.testing.assert_array_equal(compact(large), large)


def test_bfloat16_values_survive_float16() -> None:
    import torch

    bits = torch.randn(4096, generator=torch.Generator().manual_seed(1)).to(torch.bfloat16).float().numpy()
    bits = bits[np.abs(bits) > 6.2e-5]
    np.testing.assert_array_equal(compact(bits).astype(np.float32), bits)


def test_only_source_shows_a_broken_encoder() -> None:
    assert not is_broken(["a"] * (MAX_FAILURES - 1), {}, 0.0)
    assert is_broken(["a"] * MAX_FAILURES, {}, 0.0)
    assert is_broken(["a"] * MAX_FAILURES, {"a": 0.0}, 0.0)


def test_bad_source_beside_a_good_one_is_borne() -> None:
    worked_at_s = {"good": 10.0, "bad": 5.0}
    assert not is_broken(["bad"] * 100, worked_at_s, 10.0 + PROOF_S)
    assert is_broken(["bad"] * 100, worked_at_s, 10.1 + PROOF_S)  # the proof is too old


def test_failures_of_two_sources_are_the_encoders() -> None:
    assert is_broken(["a", "b"] * MAX_FAILURES, {"good": 0.0}, 0.0)


def test_preparing_is_apart_from_encoding() -> None:
    (chunk,), _ = batch(pixels_of(0))
    chunk = replace(chunk, times=Times(captured_at_s=10.0, published_at_s=11.0))
    times = features_of(chunk, "ok", model="m", now_s=14.0, begun_at_s=12.0, prepare_s=0.5).times
    assert (times.begun_at_s, times.prepared_at_s, times.encoded_at_s) == (12.0, 12.5, 14.0)
    never = features_of(chunk, "expired", model="m", now_s=14.0).times
    assert (never.begun_at_s, never.prepared_at_s, never.encoded_at_s) == (0.0, 0.0, 14.0)
