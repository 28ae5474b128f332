"""Stage 1: both towers learn to see people move. Fresh chunks, auxiliary targets, no words yet."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mobile_videogpt.config import MobileVideoGPTConfig
from mobile_videogpt.vision import VisionHalf
from training.auxiliary import Auxiliary, Truth
from training.checkpoints import load_state, save_state
from training.chunks import CHUNK, Batch, ChunkStream
from training.journal import Journal
from training.sizes import VisionPlan

_REPORT = 25
_LAST_RATE = 0.02


def rate_at(step: int, steps: int, warmup: int) -> float:
    """Linear warm-up, then a cosine down to a fiftieth."""
    if step < warmup:
        return (step + 1) / warmup
    share = min(1.0, (step - warmup) / max(1, steps - warmup))
    return _LAST_RATE + (1 - _LAST_RATE) * 0.5 * (1 + math.cos(math.pi * share))


def parameter_groups(module: torch.nn.Module, decay: float) -> list[dict[str, object]]:
    """Weight decay for matrices only."""
    named = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
    plain = [p for n, p in named if p.ndim < 2 or "A_" in n or "embed" in n or "token" in n]
    chosen = {id(p) for p in plain}
    return [
        {"params": [p for _, p in named if id(p) not in chosen], "weight_decay": decay},
        {"params": plain, "weight_decay": 0.0},
    ]


@torch.no_grad()
def place_tokens(vision: VisionHalf) -> None:
    """Start position tables as sines and cosines: from noise of 0.02 a short training never learns where things are."""
    config = vision.config
    image = vision.image_vision_tower.vision_tower.get_parameter("vision_model.embeddings.position_embedding.weight")
    image[1:] = 0.5 * _waves_2d(config.image.grid, config.image.width)
    tower = vision.vision_tower.vision_encoder
    tower.pos_embed[0, 1:] = 0.5 * _waves_2d(config.video.grid, config.video.width)
    tower.temporal_pos_embedding[0] = 0.3 * _waves(torch.arange(config.video.num_frames), config.video.width)


@torch.no_grad()
def share_patches(vision: VisionHalf) -> None:
    """Give the video tower the image tower's patch embedding, which many more people have taught.

    The image tower's pixels are normalised a little differently, so this is a start and not an identity. Towers of
    other widths or patches are left alone.
    """
    source = vision.image_vision_tower.vision_tower.get_parameter("vision_model.embeddings.patch_embedding.weight")
    target = vision.vision_tower.vision_encoder.patch_embed.proj.weight
    if target[:, :, 0].shape == source.shape:
        target[:, :, 0] = source


def _waves(at: Tensor, width: int) -> Tensor:
    """Sines and cosines [N, width] of positions [N], wavelengths from 2 to about 60 positions."""
    rates = 3.0 * 0.03 ** (torch.arange(width // 2) / (width // 2))
    angles = at[:, None].float() * rates
    return torch.cat([angles.sin(), angles.cos()], -1)


def _waves_2d(side: int, width: int) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return torch.cat([_waves(rows.flatten(), width // 2), _waves(columns.flatten(), width // 2)], -1)


def to_truth(batch: Batch, device: torch.device) -> Truth:
    """The labels of a batch as tensors."""
    return Truth(
        torch.from_numpy(batch.joints).to(device),
        torch.from_numpy(batch.visible).to(device),
        torch.from_numpy(batch.activity).to(device),
        torch.from_numpy(batch.fault).to(device),
        torch.from_numpy(batch.phase).to(device),
        torch.from_numpy(batch.ended).to(device),
    )


def _see(
    vision: VisionHalf, batch: Batch, plan: VisionPlan, rng: np.random.Generator, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Video tokens, image tokens and which frames the image tower saw."""
    frames = torch.from_numpy(batch.frames).to(device)
    half = CHUNK // plan.image_frames
    picks = torch.from_numpy(
        rng.integers(half, size=(len(frames), plan.image_frames)) + np.arange(plan.image_frames) * half
    ).to(device)
    some = frames[torch.arange(len(frames), device=device)[:, None], picks]
    with torch.autocast(device.type, torch.bfloat16, enabled=plan.bf16):
        video, image = vision.encode_video(frames), vision.encode_images(some)
    return video.float(), image.float(), picks


def train_vision(config: MobileVideoGPTConfig, plan: VisionPlan, seed: int, folder: Path) -> VisionHalf:
    """Train, or continue, stage 1 in `folder`; returns the vision half."""
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    vision, heads = VisionHalf(config).to(device), Auxiliary(config).to(device)
    both = torch.nn.ModuleList([vision.vision_tower, vision.image_vision_tower, heads])
    optimizer = torch.optim.AdamW(parameter_groups(both, plan.weight_decay), lr=plan.learning_rate, betas=(0.9, 0.98))
    path = folder / "vision.pt"
    state = load_state(path)
    step = 0
    if state is None:
        place_tokens(vision)
    else:
        vision.load_state_dict(state["model"])
        heads.load_state_dict(state["extra"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    if step >= plan.steps:
        return vision
    journal = Journal(folder, "vision")
    rng = np.random.default_rng([seed, step])
    held = _validation(plan)

    def save() -> None:
        save_state(
            path,
            {"step": step, "model": vision.state_dict(), "extra": heads.state_dict(),
             "optimizer": optimizer.state_dict(), "best": 0.0},
        )  # fmt: skip

    mimic = 0.0
    saved = began = time.monotonic()
    first, sums = step, dict[str, float]()
    with ChunkStream(seed, "train", plan.batch, plan.stills, plan.pool, first=step) as stream:
        for batch, stills in stream:
            for group in optimizer.param_groups:
                group["lr"] = plan.learning_rate * rate_at(step, plan.steps, plan.warmup)
            if step == plan.mimic_from:
                share_patches(vision)
            mimic = 2.0 if step >= plan.mimic_from else 0.0
            video, image, picks = _see(vision, batch, plan, rng, device)
            with torch.autocast(device.type, torch.bfloat16, enabled=plan.bf16):
                still = vision.encode_images(torch.from_numpy(stills.frames).to(device)).float()
            losses = heads(video, image, to_truth(batch, device), picks, still, to_truth(stills, device), mimic)
            loss = torch.stack(list(losses.values())).sum()
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(both.parameters(), 1.0)
            optimizer.step()
            step += 1
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + float(value.detach()) / _REPORT
            if step % _REPORT == 0:
                report = {"loss_" + k: v for k, v in sums.items()}
                report["chunks_per_s"] = (step - first) * plan.batch / (time.monotonic() - began)
                if step % (_REPORT * 8) == 0 or step == plan.steps:
                    report |= _score(vision, heads, held, plan, device)
                journal.write(step, plan.steps, report)
                sums = {}
            if time.monotonic() - saved > plan.checkpoint_s:
                saved = time.monotonic()
                save()
            if step >= plan.steps:
                break
    save()
    journal.draw()
    return vision


def load_heads(config: MobileVideoGPTConfig, folder: Path) -> Auxiliary:
    """The auxiliary heads that stage 1 trained in `folder`.

    Raises:
        ValueError: when stage 1 has not run there.
    """
    state = load_state(folder / "vision.pt")
    if state is None:
        raise ValueError(f"no stage 1 in {folder}: train the towers first")
    heads = Auxiliary(config)
    heads.load_state_dict(state["extra"])
    return heads


def _validation(plan: VisionPlan) -> list[Batch]:
    """Four batches of held-out people, the same ones every time."""
    with ChunkStream(5, "validation", plan.held, pool=3 * plan.held // 2, fresh=plan.held // 2) as stream:
        return [chunks for (chunks, _), _ in zip(stream, range(4), strict=False)]


@torch.no_grad()
def _score(
    vision: VisionHalf, heads: Auxiliary, held: list[Batch], plan: VisionPlan, device: torch.device
) -> dict[str, float]:
    rng = np.random.default_rng(3)
    table: dict[str, list[float]] = {}
    for batch in held:
        video, image, picks = _see(vision, batch, plan, rng, device)
        for name, value in heads.scores(video, image, to_truth(batch, device), picks).items():
            table.setdefault("val_" + name, []).append(value)
    return {name: float(np.nanmean(values)) for name, values in table.items()}
