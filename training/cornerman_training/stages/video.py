"""Stage 2: trains the video tower on random chunks, guided by the trained image tower."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from cornerman_training.auxiliary import ChunkHeads, ChunkLabels
from cornerman_training.chunks import ChunkStream, validation_batches
from cornerman_training.stages.loop import Fit, mean_scores
from cornerman_training.stages.positions import waves, waves_2d

if TYPE_CHECKING:
    from cornerman_training.chunks import Batch
    from cornerman_training.sizes import VideoPlan
    from mobile_videogpt.vision import VisionHalf


@torch.no_grad()
def init_video_positions(vision: VisionHalf) -> None:
    """Initialises positions in space and time as sines and cosines, as `image.init_positions` does."""
    config = vision.config.video
    tower = vision.vision_tower.vision_encoder
    # Row 0 is the CLS.
    tower.pos_embed[0, 1:] = 0.5 * waves_2d(config.grid, config.width)
    tower.temporal_pos_embedding[0] = 0.3 * waves(torch.arange(config.num_frames), config.width)


@torch.no_grad()
def copy_patches(vision: VisionHalf) -> None:
    """Copies the image tower's patch embedding, trained on many more people, to the video tower.

    The two towers normalise pixels slightly differently, so this is an initial value only. Does nothing if widths or
    patches differ.
    """
    source = vision.image_vision_tower.vision_tower.get_parameter("vision_model.embeddings.patch_embedding.weight")
    target = vision.vision_tower.vision_encoder.patch_embed.proj.weight
    if target[:, :, 0].shape == source.shape:
        target[:, :, 0] = source


def train_video(vision: VisionHalf, plan: VideoPlan, seed: int, folder: Path) -> VisionHalf:
    """Trains, or continues, stage 2 in `folder`; the image tower is frozen. Returns the vision half."""
    torch.manual_seed(seed + 1)
    device = vision.device
    heads = ChunkHeads(vision.config).to(device)
    fit = Fit("video", folder, vision.vision_tower, heads, plan)
    if fit.step >= plan.steps:
        return vision
    if not fit.continued:
        init_video_positions(vision)
        copy_patches(vision)
    validation = validation_batches(plan.held, 8)

    def encode(batch: Batch) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=plan.bf16):
            return vision.encode_video(torch.from_numpy(batch.frames).to(device)).float()

    @torch.no_grad()
    def score() -> dict[str, float]:
        return mean_scores([heads.scores(encode(b), ChunkLabels.of(b, device)) for b in validation])

    with ChunkStream(seed + 1, "train", plan.batch, pool=plan.pool, fresh=plan.fresh, first=fit.step) as stream:
        fresh = iter(stream)

        def losses(_: int) -> dict[str, Tensor]:
            batch = next(fresh)
            with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=plan.bf16):
                image = vision.encode_images(torch.from_numpy(batch.frames).to(device)).float()
            return heads.losses(encode(batch), image, ChunkLabels.of(batch, device))

        fit.run(losses, score)
    return vision
