"""`python -m tests.faults.poisoned_encoder`: an encoder that one chunk kills natively, as a driver's defect does."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from cornerman_encoder import service
from cornerman_encoder.core import EncoderOutput, Pixels
from cornerman_encoder.fake import FakeEncoder
from cornerman_encoder.protocol import Encoder
from cornerman_shared.bus.messages import Chunk
from cornerman_shared.process.runtime import run_service
from cornerman_shared.settings.tree import EncoderSettings

POISON = ("bad", 5)
"""Source and number of the chunk."""


class PoisonedEncoder(FakeEncoder):
    """Dies on one chunk."""

    def encode(self, chunks: Sequence[Chunk], frames: Sequence[Pixels]) -> list[EncoderOutput]:
        if any((chunk.source_id, chunk.seq) == POISON for chunk in chunks):
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().encode(chunks, frames)


def make_encoder(settings: EncoderSettings) -> Encoder:
    return PoisonedEncoder(settings.fake_delay_ms / 1000)


if __name__ == "__main__":
    service.make_encoder = make_encoder
    sys.exit(run_service("encoder", service.encode_loop))
