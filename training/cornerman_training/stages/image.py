"""Stage 1: trains the image tower on random single frames with auxiliary targets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from cornerman_training.auxiliary import ChunkLabels, FrameHeads
from cornerman_training.checkpoints import load_state
from cornerman_training.chunks import ChunkStream, validation_batches
from cornerman_training.stages.loop import Fit, mean_scores
from cornerman_training.stages.positions import waves_2d
from mobile_videogpt.preprocess import image_pixels
from mobile_videogpt.vision import VisionHalf

if TYPE_CHECKING:
    from cornerman_training.chunks import Batch
    from cornerman_training.sizes import ImagePlan
    from mobile_videogpt.config import MobileVideoGPTConfig


_PATCH_FRAMES = 256
_WHITEN = 0.35


@torch.no_grad()
def init_positions(vision: VisionHalf) -> None:
    """Initialises positions as sines and cosines: from noise of 0.02 a short training does not learn positions."""
    config = vision.config.image
    table = vision.image_vision_tower.vision_tower.get_parameter("vision_model.embeddings.position_embedding.weight")
    # Row 0 is the CLS.
    table[1:] = 0.5 * waves_2d(config.grid, config.width)


@torch.no_grad()
def init_patches(vision: VisionHalf, frames: Tensor) -> None:
    """Initialises the patch embedding with the principal components of real patches, partly whitened.

    Args:
        vision: its image tower is changed.
        frames: [N,1,S,S,3] uint8.
    """
    weight = vision.image_vision_tower.vision_tower.get_parameter("vision_model.embeddings.patch_embedding.weight")
    out, _, side, _ = weight.shape
    pixels = image_pixels(frames.flatten(0, 1), vision.config.image.image_size)  # [N,3,S,S] normalised
    patches = torch.nn.functional.unfold(pixels, side, stride=side).transpose(1, 2).flatten(0, 1)  # [n, 3 side side]
    values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
    values, vectors = values.flip(0)[:out].clamp(min=1e-6), vectors.flip(1)[:, :out]
    # Partly: full whitening amplifies noise in the small components.
    rows = (vectors / values**_WHITEN).T
    if len(rows) < out:
        rows = torch.cat([rows, weight.flatten(1)[len(rows) :]])
    spread = (patches @ rows.T).std()
    weight.copy_((0.7 * rows / spread).view_as(weight))


@contextmanager
def eager_attention(vision: VisionHalf) -> Iterator[None]:
    """Uses eager attention inside the context: the fused kernel's backward pass takes twice as long on a CPU."""
    settings = {id(m.config): m.config for m in vision.image_vision_tower.modules() if hasattr(m, "config")}
    chosen = [c for c in settings.values() if hasattr(c, "_attn_implementation")]
    before = [c._attn_implementation for c in chosen]
    for c in chosen:
        c._attn_implementation = "eager"
    try:
        yield
    finally:
        for c, name in zip(chosen, before, strict=True):
            c._attn_implementation = name


def train_image(config: MobileVideoGPTConfig, plan: ImagePlan, seed: int, folder: Path) -> VisionHalf:
    """Trains, or continues, stage 1 in `folder`; returns a vision half with a trained image tower."""
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    vision, heads = VisionHalf(config).to(device), FrameHeads(config.image.width).to(device)
    fit = Fit("image", folder, vision.image_vision_tower, heads, plan)
    if fit.step >= plan.steps:
        return vision
    if not fit.continued:
        init_positions(vision)
        with ChunkStream(seed, "train", _PATCH_FRAMES, length=1, pool=32) as stream:
            init_patches(vision, torch.from_numpy(next(iter(stream)).frames).to(device))
    validation = validation_batches(plan.held, 1)

    def encode(batch: Batch) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=plan.bf16):
            return vision.encode_images(torch.from_numpy(batch.frames).to(device)).float()

    @torch.no_grad()
    def score() -> dict[str, float]:
        return mean_scores([heads.scores(encode(b), ChunkLabels.of(b, device)) for b in validation])

    with (
        eager_attention(vision),
        ChunkStream(seed, "train", plan.batch, length=1, pool=plan.pool, fresh=plan.fresh, first=fit.step) as stream,
    ):
        fresh = iter(stream)

        def losses(_: int) -> dict[str, Tensor]:
            batch = next(fresh)
            return heads.losses(encode(batch), ChunkLabels.of(batch, device), timed=False)

        fit.run(losses, score)
    return vision


def load_heads(config: MobileVideoGPTConfig, folder: Path) -> FrameHeads:
    """The auxiliary heads that stage 1 trained in `folder`.

    Raises:
        ValueError: if stage 1 has not run there.
    """
    state = load_state(folder / "image.pt")
    if state is None:
        raise ValueError(f"no stage 1 in {folder}: train the image tower first")
    heads = FrameHeads(config.image.width)
    heads.load_state_dict(state["extra"])
    return heads
