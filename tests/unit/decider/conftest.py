"""Features for the decider's tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cornerman_shared.bus.messages import BlobRef, Features, FeatureStatus, Times

MakeFeatures = Callable[..., Features]


def make(
    seq: int = 0,
    pts_s: float | None = None,
    *,
    motion: float = 0.0,
    run: str = "r1",
    lossless: bool = False,
    status: FeatureStatus = "ok",
    size: int = 4,
) -> Features:
    key = f"blob:{run}:{seq}"
    return Features(
        source_id="cam",
        run=run,
        seq=seq,
        pts_s=seq * 0.5 if pts_s is None else pts_s,
        motion=motion,
        lossless=lossless,
        status=status,
        vector=np.full(size, motion, np.float32),
        context=BlobRef(f"{key}:context", "<f2", (8, 4, 16)),
        video=BlobRef(f"{key}:video", "<f2", (4, 16)),
        frames=None,
        frame_pts_s=tuple(seq * 0.5 + i / 8 for i in range(8)),
        model="fake",
        times=Times(captured_at_s=1.0),
    )


@pytest.fixture(scope="session")
def features() -> MakeFeatures:
    """Makes the features of one chunk; chunks are 0.5 s apart."""
    return make
