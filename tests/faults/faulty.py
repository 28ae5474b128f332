"""Starts a service with faults that no setting has: a wall clock that is wrong, chunks that crash the encoder natively.

    python -m tests.faults.faulty ROLE

FAULTS_AHEAD_S: seconds that the process's wall clock is ahead of this machine's. FAULTS_POISON: media times, seconds,
comma-separated; the process dies on the chunk whose newest frame has one of them.
"""

from __future__ import annotations

import os
import runpy
import sys
import time
from collections.abc import Sequence

from cornerman_encoder.core import EncoderOutput, Pixels
from cornerman_encoder.fake import FakeEncoder, die
from cornerman_shared.bus.messages import Chunk


def shift_clock(ahead_s: float) -> None:
    """Makes `time.time` wrong, for all code of this process."""
    right = time.time
    time.time = lambda: right() + ahead_s


def poison(times_s: set[float]) -> None:
    """Makes the fake encoder die on the chunks of these media times."""
    encode = FakeEncoder.encode

    def deadly(self: FakeEncoder, chunks: Sequence[Chunk], frames: Sequence[Pixels]) -> list[EncoderOutput]:
        if any(round(chunk.pts_s, 3) in times_s for chunk in chunks):
            die()
        return encode(self, chunks, frames)

    FakeEncoder.encode = deadly  # type: ignore[method-assign]


if __name__ == "__main__":
    shift_clock(float(os.environ.get("FAULTS_AHEAD_S", "0")))
    poison({float(text) for text in os.environ.get("FAULTS_POISON", "").split(",") if text})
    role = sys.argv.pop()
    runpy.run_module(f"cornerman_{role}", run_name="__main__", alter_sys=True)
