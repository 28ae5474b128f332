"""Encoder back end: the vision half of Mobile-VideoGPT. The only module of the encoder that imports torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from cornerman_common.model_location import model_path, set_threads
from cornerman_common.model_placement import load_failure, place_model
from cornerman_encoder.core import EncoderOutput, compact, groups_of_equal_size
from cornerman_pose.errors import PoseError
from cornerman_pose.framing import Framer
from cornerman_shared.chunk import CHUNK_FRAMES
from cornerman_shared.errors import ConfigError, PoisonError, release_memory
from mobile_videogpt import MobileVideoGPT, Tokens
from mobile_videogpt.errors import ModelError
from mobile_videogpt.names import half_of
from mobile_videogpt.timing import measuring

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cornerman_encoder.core import Pixels
    from cornerman_shared.bus.messages import Chunk
    from cornerman_shared.settings.tree import EncoderSettings

WARM_UP_SIDE = 224


class VisionEncoder:
    """Encodes with the vision half; looks of equal size share one forward pass.

    A chunk of 8 frames goes the streaming way, a look of 16 frames the published one, with its selection of frames.

    Args:
        model: with its vision half loaded.
        name: of the model in messages.
        framer: cuts the part of the frames that the model sees; None = frames as they are.
    """

    def __init__(self, model: MobileVideoGPT, name: str, framer: Framer | None = None) -> None:
        self._model = model
        self._framer = framer or Framer()
        self.model = name
        self.placement = ""
        self._ran_out = False  # or the last batch failed in another way

    @classmethod
    def load(cls, settings: EncoderSettings) -> VisionEncoder:
        """Loads the vision half.

        Raises:
            ConfigError: the checkpoint is missing or damaged, the device is unavailable, or `encoder.framing` needs
                weights that are missing.
        """
        try:
            framer = Framer.load(settings.framing)
        except PoseError as error:
            raise ConfigError(f"encoder.framing = {settings.framing}: {error}") from error
        set_threads(settings.threads)
        path = model_path("encoder.model", settings.model)
        placed = place_model(
            "encoder",
            path,
            device=settings.device,
            dtype=settings.dtype,
            counts=lambda name: half_of(name) == "vision",
        )
        try:
            model = MobileVideoGPT.from_pretrained(path, part="vision", dtype=placed.dtype, device=placed.device)
        except (ModelError, OSError, ValueError, RuntimeError) as error:
            raise load_failure("encoder", path, error) from error
        encoder = cls(model, Path(path).name, framer)
        encoder.placement = placed.words
        encoder.warm_up()
        return encoder

    def warm_up(self) -> None:
        """Encodes one black chunk, so that kernels are compiled before the first real chunk."""
        self._model.encode_chunk(torch.zeros((1, CHUNK_FRAMES, WARM_UP_SIDE, WARM_UP_SIDE, 3), dtype=torch.uint8))

    def reads(self, frames: int) -> bool:
        """A chunk's or a clip's frames."""
        return frames in (self._model.config.chunk_frames, self._model.config.clip_frames)

    def encode(self, chunks: Sequence[Chunk], frames: Sequence[Pixels]) -> list[EncoderOutput]:
        """Runs one forward pass for each frame size of the batch."""
        if self._ran_out:  # by now the error that held the tensors is gone
            release_memory()
        framed = [self._framed(chunk, pixels) for chunk, pixels in zip(chunks, frames, strict=True)]
        self._ran_out = True
        outputs = self._encode(framed)
        self._ran_out = False
        return outputs

    def _framed(self, chunk: Chunk, pixels: Pixels) -> Pixels:
        try:
            return self._framer.framed(pixels, chunk.frame_pts_s)
        except PoseError as error:
            raise PoisonError(f"chunk {chunk.seq} of {chunk.source_id}: {error}") from error

    def _encode(self, frames: Sequence[Pixels]) -> list[EncoderOutput]:
        done: dict[int, EncoderOutput] = {}
        prepare_s = 0.0
        for positions in groups_of_equal_size(frames):
            batch = torch.from_numpy(np.stack([frames[i] for i in positions]))  # [B, n, H, W, 3]
            is_chunk = batch.shape[1] == self._model.config.chunk_frames
            with measuring() as times:
                tokens = self._model.encode_chunk(batch) if is_chunk else self._model.encode_clip(batch)
                rows = [_row(tokens, row) for row in range(len(positions))]  # copies to the CPU: the device is done
            prepare_s += times.seconds()["pixels"]
            done |= dict(zip(positions, rows, strict=True))
        return [replace(done[i], prepare_s=prepare_s) for i in range(len(frames))]


def _row(tokens: Tokens, row: int) -> EncoderOutput:
    return EncoderOutput(
        vector=_numpy(tokens.features[row]),
        context=compact(_numpy(tokens.context[row])),
        video=compact(_numpy(tokens.video[row])),
    )


def _numpy(tensor: torch.Tensor) -> NDArray[np.float32]:
    return tensor.detach().to("cpu", torch.float32).numpy()
