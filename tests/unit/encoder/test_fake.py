"""The fake encoder: deterministic, sensitive to pixels, with crashes at a given rate."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from cornerman_encoder.fake import KILLED, FakeEncoder
from tests.unit.encoder.chunks import batch, pixels_of


def test_batching_does_not_change_features() -> None:
    alone = FakeEncoder().encode(*batch(pixels_of(1)))[0]
    batched = FakeEncoder().encode(*batch(pixels_of(0), pixels_of(1), pixels_of(2, 6, 5)))[1]
    np.testing.assert_array_equal(alone.vector, batched.vector)
    assert alone.context is not None and batched.context is not None
    np.testing.assert_array_equal(alone.context, batched.context)


def test_other_pixels_give_other_features() -> None:
    one, other = FakeEncoder().encode(*batch(pixels_of(1), pixels_of(2)))
    assert not np.array_equal(one.vector, other.vector)


def test_shapes_follow_the_protocol() -> None:
    encoded = FakeEncoder().encode(*batch(pixels_of(1)))[0]
    assert encoded.context is not None and encoded.video is not None
    assert (encoded.vector.shape, encoded.vector.dtype) == ((24,), np.float32)
    assert (encoded.context.shape, encoded.video.shape) == ((8, 4, 16), (8, 16))
    assert np.isfinite(encoded.vector).all()


def test_crashes_follow_the_given_rate() -> None:
    crashes: list[int] = []
    encoder = FakeEncoder(crash_rate=0.25, seed=7, crash=lambda: crashes.append(1))
    encoder.encode(*batch(*[pixels_of(1)] * 400))
    assert 60 < len(crashes) < 140
    FakeEncoder(crash_rate=0.0, crash=lambda: pytest.fail("it crashed")).encode(*batch(*[pixels_of(1)] * 50))


def test_crash_kills_the_process() -> None:
    code = (
        "from tests.unit.encoder.chunks import batch, pixels_of; from cornerman_encoder.fake import FakeEncoder;"
        "FakeEncoder(crash_rate=1).encode(*batch(pixels_of(0))); print('alive')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (KILLED, "")
