"""The vision half: two towers, two projectors, and the order of their tokens.

Submodules have the published names (`vision_tower.vision_encoder`, `image_vision_tower.vision_tower`,
`mm_projector`, `image_mm_projector`). Knows nothing of the language model but its width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from mobile_videogpt.clip import ClipTower
from mobile_videogpt.preprocess import check_frames, image_pixels, video_pixels
from mobile_videogpt.projector import Projector, pool_frames
from mobile_videogpt.selection import select_frames
from mobile_videogpt.timing import measured
from mobile_videogpt.tokens import Tokens, join_features
from mobile_videogpt.videomamba import VideoMamba

if TYPE_CHECKING:
    from mobile_videogpt.config import MobileVideoGPTConfig


class VideoTower(nn.Module):
    """Holds VideoMamba under its published name."""

    def __init__(self, config: MobileVideoGPTConfig) -> None:
        super().__init__()
        self.vision_encoder = VideoMamba(config.video)


class VisionHalf(nn.Module):
    """Encodes frames into visual tokens and features."""

    def __init__(self, config: MobileVideoGPTConfig) -> None:
        super().__init__()
        self.config = config
        width, pools = config.language.width, config.projector
        self.vision_tower = VideoTower(config)
        self.image_vision_tower = ClipTower(config.image)
        self.mm_projector = Projector(config.video.width, width, pools.video_pool)
        self.image_mm_projector = Projector(config.image.width, width, pools.image_pool)

    @property
    def dtype(self) -> torch.dtype:
        return self.mm_projector.dtype

    @property
    def device(self) -> torch.device:
        return self.mm_projector.device

    def encode_images(self, frames: Tensor) -> Tensor:
        """`[B, T, H, W, 3]` uint8 of any T -> CLIP tokens `[B, T, grid * grid, Wc]`, CLS dropped."""
        with measured("pixels", self.device):
            pixels = image_pixels(frames.to(self.device).flatten(0, 1), self.config.image.image_size).to(self.dtype)
        with measured("image_tower", self.device):
            tokens: Tensor = self.image_vision_tower(pixels)
        return torch.unflatten(tokens, 0, frames.shape[:2])

    def encode_video(self, frames: Tensor) -> Tensor:
        """`[B, 8, H, W, 3]` uint8 -> VideoMamba tokens `[B, 1 + 8 * grid * grid, Wv]`, CLS first."""
        with measured("pixels", self.device):
            pixels = video_pixels(frames.to(self.device).flatten(0, 1), self.config.video.image_size).to(self.dtype)
        with measured("video_tower", self.device):
            tokens: Tensor = self.vision_tower.vision_encoder(torch.unflatten(pixels, 0, frames.shape[:2]))
        return tokens

    def project_images(self, tokens: Tensor) -> Tensor:
        """CLIP tokens `[B, T, P, Wc]` -> context `[B, T, image_tokens, D]`."""
        context: Tensor = self.image_mm_projector(tokens.flatten(0, 1))
        return torch.unflatten(context, 0, tokens.shape[:2])

    def project_video(self, tokens: Tensor) -> Tensor:
        """VideoMamba tokens `[B, 1 + T * P, Wv]` -> video tokens `[B, video_tokens, D]`.

        Each frame is pooled to 7x7; the 4 x 49 tokens of a group are then read as one 14x14 grid. This mixes
        positions, but the weights were trained with it.
        """
        groups = self.grouped(tokens)  # [B, G, k * pool * pool, Wv]
        video: Tensor = self.mm_projector(groups.flatten(0, 1))
        return torch.unflatten(video, 0, groups.shape[:2]).flatten(1, 2)

    def grouped(self, tokens: Tensor) -> Tensor:
        """VideoMamba tokens -> per-frame pooled tokens of each group, `[B, G, k * pool * pool, Wv]`."""
        config = self.config
        frames = torch.unflatten(tokens[:, 1:], 1, (config.video.num_frames, -1))  # [B, T, P, Wv]
        pooled = pool_frames(frames, config.projector.video_pool)  # [B, T, pool * pool, Wv]
        return torch.unflatten(pooled, 1, (-1, config.num_select_k)).flatten(2, 3)

    def chunk(self, frames: Tensor) -> Tokens:
        """The streaming path; see `MobileVideoGPT.encode_chunk`."""
        check_frames(frames, self.config.chunk_frames)
        images = self.encode_images(frames)
        return self._tokens(images, images, self.encode_video(frames), None)

    def clip(self, frames: Tensor) -> Tokens:
        """The published path; see `MobileVideoGPT.encode_clip`."""
        config = self.config
        check_frames(frames, config.clip_frames)
        images = self.encode_images(frames)  # [B, 16, P, Wc]
        groups = torch.unflatten(images, 1, (-1, config.chunk_frames))  # [B, G, 8, P, Wc]
        selected = select_frames(groups, config.num_select_k).indices  # [B, G, k]
        starts = torch.arange(groups.shape[1], device=selected.device)[:, None] * config.chunk_frames
        kept = (selected + starts).flatten(1)  # [B, G * k] in time order
        rows = torch.arange(len(frames), device=kept.device)[:, None]
        video = self.encode_video(frames[rows.to(frames.device), kept.to(frames.device)])
        return self._tokens(images, images[rows, kept], video, selected)

    def _tokens(self, images: Tensor, seen: Tensor, video: Tensor, selected: Tensor | None) -> Tokens:
        """Projects both towers' tokens, and pools the tokens of the video tower's frames (`seen`)."""
        # Means over patches, [B, T, Wv]; the CLS at 0 is left out.
        per_frame = torch.unflatten(video[:, 1:], 1, (self.config.video.num_frames, -1)).mean(2)
        features = join_features(video[:, 0], per_frame, seen.mean(2))
        with measured("projectors", self.device):
            return Tokens(self.project_images(images), self.project_video(video), features, selected)
