"""Encoder back end: landmarks of people through LiteRT, and their tokens for the language half. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cornerman_encoder.core import EncoderOutput
from cornerman_pose.errors import PoseError
from cornerman_pose.estimator import PoseEstimator
from cornerman_pose.picture import picture_stats
from cornerman_pose.wire import pack_chunk
from cornerman_shared.errors import ConfigError, PoisonError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cornerman_encoder.core import Pixels
    from cornerman_shared.bus.messages import Chunk
    from cornerman_shared.settings.tree import EncoderSettings

VARIANTS: Final = ("full", "lite")


class PoseEncoder:
    """Estimates up to three people a frame; a chunk's landmarks depend on its own frames alone.

    Args:
        estimator: of landmarks.
    """

    def __init__(self, estimator: PoseEstimator) -> None:
        self._estimator = estimator
        self.model = estimator.model

    @classmethod
    def load(cls, settings: EncoderSettings) -> PoseEncoder:
        """Loads the pinned weights from the cache; never uses the network.

        Raises:
            ConfigError: LiteRT or the weights are missing, or `encoder.model` is not a variant of them.
        """
        variant = settings.model or VARIANTS[0]
        if variant not in VARIANTS:
            raise ConfigError(
                f"encoder.model = {settings.model!r}: back end pose has the models {' and '.join(VARIANTS)}; "
                "leave it empty, or choose another encoder.backend"
            )
        try:
            return cls(PoseEstimator.load(variant, threads=max(1, settings.threads)))
        except PoseError as error:
            raise ConfigError(f"encoder.backend = pose: {error}") from error

    def encode(self, chunks: Sequence[Chunk], frames: Sequence[Pixels]) -> list[EncoderOutput]:
        """Estimates one chunk after the other; LiteRT runs one frame at a time."""
        return [self._one(chunk, pixels) for chunk, pixels in zip(chunks, frames, strict=True)]

    def _one(self, chunk: Chunk, pixels: Pixels) -> EncoderOutput:
        counts = self._estimator.counts
        computed, reused = counts.landmarks, counts.reused_landmarks
        try:
            seen = self._estimator.estimate(pixels, chunk.frame_pts_s)
        except PoseError as error:
            raise PoisonError(f"chunk {chunk.seq} of {chunk.source_id}: {error}") from error
        return EncoderOutput(
            vector=None,
            context=None,
            video=None,
            people=pack_chunk(seen, picture_stats(pixels, seen)),
            poses_computed=counts.landmarks - computed,
            poses_reused=counts.reused_landmarks - reused,
        )
