"""The vision half of Mobile-VideoGPT as an encoder. The only file of this room that imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cornerman_common.model_location import model_path, set_threads, torch_device, torch_dtype
from cornerman_encoder.core import Clip, Encoded, compact, groups_of_equal_size
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.source import CHUNK_FRAMES
from cornerman_shared.settings.tree import EncoderSettings
from mobile_videogpt import MobileVideoGPT, Tokens
from mobile_videogpt.errors import ModelError

WARM_UP_SIDE = 224


class VisionEncoder:
    """Encodes chunks of one size together.

    Args:
        model: with its vision half.
        name: what it is called in messages.
    """

    def __init__(self, model: MobileVideoGPT, name: str) -> None:
        self._model = model
        self.model = name

    @classmethod
    def load(cls, settings: EncoderSettings) -> VisionEncoder:
        """Reads the vision half only.

        Raises:
            ConfigError: no such checkpoint, a damaged one, or no such device.
        """
        set_threads(settings.threads)
        path = model_path("encoder.model", settings.model)
        device = torch_device("encoder.device", settings.device)
        try:
            model = MobileVideoGPT.from_pretrained(
                path, part="vision", dtype=torch_dtype(settings.dtype, device), device=device
            )
        except (ModelError, OSError, ValueError) as error:
            raise ConfigError(f"encoder.model = {path!r} cannot be loaded: {error}") from error
        encoder = cls(model, Path(path).name)
        encoder.warm_up()
        return encoder

    def warm_up(self) -> None:
        """One empty chunk, so that kernels are compiled before the first real one waits."""
        self._model.encode_chunk(torch.zeros((1, CHUNK_FRAMES, WARM_UP_SIDE, WARM_UP_SIDE, 3), dtype=torch.uint8))

    def encode(self, clips: Sequence[Clip]) -> list[Encoded]:
        """One forward pass for each size of frame among the clips."""
        done: dict[int, Encoded] = {}
        for positions in groups_of_equal_size(clips):
            frames = torch.from_numpy(np.stack([clips[i].frames for i in positions]))  # [B, 8, H, W, 3]
            tokens = self._model.encode_chunk(frames)
            for row, i in enumerate(positions):
                done[i] = _row(tokens, row)
        return [done[i] for i in range(len(clips))]


def _row(tokens: Tokens, row: int) -> Encoded:
    return Encoded(
        vector=_numpy(tokens.features[row]),
        context=compact(_numpy(tokens.context[row])),
        video=compact(_numpy(tokens.video[row])),
    )


def _numpy(tensor: torch.Tensor) -> NDArray[np.float32]:
    return tensor.detach().to("cpu", torch.float32).numpy()
