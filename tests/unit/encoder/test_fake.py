"""The fake encoder is product code: deterministic, sensitive to pixels, and it crashes as often as it is told."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from cornerman_encoder.core import Clip
from cornerman_encoder.fake import KILLED, FakeEncoder


def clip(seed: int = 0, height: int = 12, width: int = 16) -> Clip:
    pixels = np.random.default_rng(seed).integers(0, 256, (8, height, width, 3), np.uint8)
    return Clip(pixels, tuple(i / 8 for i in range(8)), 0.1)


def test_equal_pixels_give_equal_features_alone_or_in_a_batch() -> None:
    alone = FakeEncoder().encode([clip(1)])[0]
    batched = FakeEncoder().encode([clip(0), clip(1), clip(2, 6, 5)])[1]
    np.testing.assert_array_equal(alone.vector, batched.vector)
    assert alone.context is not None and batched.context is not None
    np.testing.assert_array_equal(alone.context, batched.context)


def test_other_pixels_give_other_features() -> None:
    one, other = FakeEncoder().encode([clip(1), clip(2)])
    assert not np.array_equal(one.vector, other.vector)


def test_shapes_are_those_of_the_protocol() -> None:
    encoded = FakeEncoder().encode([clip(1)])[0]
    assert encoded.context is not None and encoded.video is not None
    assert (encoded.vector.shape, encoded.vector.dtype) == ((24,), np.float32)
    assert (encoded.context.shape, encoded.video.shape) == ((8, 4, 16), (8, 16))
    assert np.isfinite(encoded.vector).all()


def test_crashes_come_at_the_rate_that_was_asked_for() -> None:
    crashes: list[int] = []
    encoder = FakeEncoder(crash_rate=0.25, seed=7, crash=lambda: crashes.append(1))
    encoder.encode([clip(1)] * 400)
    assert 60 < len(crashes) < 140
    FakeEncoder(crash_rate=0.0, crash=lambda: pytest.fail("it crashed")).encode([clip(1)] * 50)


def test_a_crash_really_kills_the_process() -> None:
    code = (
        "import numpy as np; from cornerman_encoder.core import Clip; from cornerman_encoder.fake import FakeEncoder;"
        "FakeEncoder(crash_rate=1).encode([Clip(np.zeros((8, 2, 2, 3), np.uint8), (0.0,) * 8, 0.0)]); print('alive')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (KILLED, "")
