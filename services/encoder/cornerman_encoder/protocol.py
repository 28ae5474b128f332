"""Encoder protocol: chunks and their pixels in, outputs out. Back ends implement it. Types only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cornerman_encoder.core import EncoderOutput, Pixels
    from cornerman_shared.bus.messages import Chunk


class Encoder(Protocol):
    """Back end that encodes batches of chunks. Called from one thread at a time, never from the event loop.

    One with an attribute `at_once` is called from so many threads at once, each with a chunk, instead of with batches.
    """

    @property
    def model(self) -> str:
        """Name of the model in messages."""

    def reads(self, frames: int) -> bool:
        """Whether it encodes looks of so many frames; the 8 of a chunk always."""

    def encode(self, chunks: Sequence[Chunk], frames: Sequence[Pixels]) -> list[EncoderOutput]:
        """Encodes a batch.

        Args:
            chunks: the messages, for times and identity.
            frames: pixels of each chunk, in the same order; sizes may differ.

        Returns:
            One result a chunk, in the same order.

        Raises:
            PoisonError: a chunk can never be encoded.
            Exception: no chunk of the batch was encoded.
        """
