"""Encoder back end: landmarks of people through LiteRT, and their tokens for the language half. Imports no torch."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cornerman_common.bundle import bundled
from cornerman_common.pose_choice import FOLDER
from cornerman_encoder.core import EncoderOutput, compact
from cornerman_pose.errors import PoseError
from cornerman_pose.estimator import KEPT, PoseEstimator
from cornerman_pose.memory import LastUsed
from cornerman_pose.picture import picture_stats
from cornerman_pose.tokens import PoseProjector
from cornerman_pose.wire import pack_chunk
from cornerman_shared.chunk import CHUNK_FRAMES
from cornerman_shared.errors import ConfigError, PoisonError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cornerman_encoder.core import Pixels
    from cornerman_shared.bus.messages import Chunk
    from cornerman_shared.settings.tree import EncoderSettings

PROJECTOR: Final = "projector.safetensors"


class PoseEncoder:
    """Estimates up to three people a frame; landmarks and tokens of a chunk depend on its own frames alone.

    Args:
        estimator: of landmarks.
        projector: makes the tokens that the language half reads; None = no tokens.
        another: makes an estimator beside the first, for one more thread; None = one thread at a time.
        at_once: so many threads may encode at once.
    """

    def __init__(
        self,
        estimator: PoseEstimator,
        projector: PoseProjector | None = None,
        another: Callable[[], PoseEstimator] | None = None,
        at_once: int = 1,
    ) -> None:
        self._idle, self._another, self._projector = [estimator], another, projector
        self._moves: LastUsed[float] = LastUsed(KEPT)
        self.model = estimator.model
        self.at_once = at_once if another else 1

    @classmethod
    def load(cls, settings: EncoderSettings) -> PoseEncoder:
        """Loads the pinned weights of the estimator from the cache; never uses the network.

        Estimators for more threads are loaded when chunks first wait for one: a single source needs no second.

        Raises:
            ConfigError: LiteRT or the weights are missing, or the folder `encoder.model` has no projector.
        """
        projector = _projector(settings.model)
        try:
            estimator = PoseEstimator.load()
        except PoseError as error:
            raise ConfigError(f"encoder.backend = pose: {error}") from error
        return cls(estimator, projector, partial(PoseEstimator.load, beside=estimator), max(1, settings.threads))

    def reads(self, frames: int) -> bool:
        """Chunks only: tracking and tokens were made for frames this close."""
        return frames == CHUNK_FRAMES

    def encode(self, chunks: Sequence[Chunk], frames: Sequence[Pixels]) -> list[EncoderOutput]:
        """Estimates one chunk after the other; LiteRT runs one frame at a time. For `at_once` threads."""
        try:
            estimator = self._idle.pop()
        except IndexError:
            if self._another is None:
                raise
            estimator = self._another()
        try:
            return [self._one(estimator, *each) for each in zip(chunks, frames, strict=True)]
        finally:
            self._idle.append(estimator)

    def _one(self, estimator: PoseEstimator, chunk: Chunk, pixels: Pixels) -> EncoderOutput:
        counts = estimator.counts
        computed, reused = counts.landmarks, counts.reused_landmarks
        try:
            seen = estimator.estimate(pixels, chunk.frame_pts_s)
        except PoseError as error:
            raise PoisonError(f"chunk {chunk.seq} of {chunk.source_id}: {error}") from error
        tokens = self._projector.tokens(seen) if self._projector else None
        return EncoderOutput(
            vector=None,
            context=compact(tokens.context) if tokens else None,
            video=compact(tokens.video) if tokens else None,
            people=pack_chunk(seen, picture_stats(pixels, seen, self._moves)),
            poses_computed=counts.landmarks - computed,
            poses_reused=counts.reused_landmarks - reused,
        )


def _projector(model: str) -> PoseProjector | None:
    """The projector of a folder, or the bundled one; None if none is bundled.

    Raises:
        ConfigError: the folder has none, or it is of another release.
    """
    path = (Path(model).expanduser() if model else bundled(FOLDER)) / PROJECTOR
    if not path.is_file():
        if not model:
            return None
        raise ConfigError(
            f"encoder.model = {model!r}: back end pose wants a folder with {PROJECTOR}; leave it empty for the bundled "
            "one, or choose another encoder.backend"
        )
    try:
        return PoseProjector.load(path)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"encoder.model: {path} cannot be read: {error}") from error
