"""Stages 1 and 2, the towers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cornerman_training.checkpoints import load_state
from cornerman_training.sizes import ImagePlan, VideoPlan
from cornerman_training.stages.image import eager_attention, init_patches, init_positions, load_heads, train_image
from cornerman_training.stages.video import copy_patches, init_video_positions, train_video
from mobile_videogpt.config import MobileVideoGPTConfig
from mobile_videogpt.vision import VisionHalf

TINY = MobileVideoGPTConfig.tiny()


def test_towers_train_in_turn_and_resume(tmp_path: Path) -> None:
    first = ImagePlan(steps=2, batch=2, pool=2, warmup=1, held=2, bf16=False)
    train_image(TINY, first, 1, tmp_path)
    state = load_state(tmp_path / "image.pt")
    assert state is not None
    assert state["step"] == 2
    vision = train_image(TINY, replace(first, steps=3), 1, tmp_path)
    state = load_state(tmp_path / "image.pt")
    assert state is not None
    assert state["step"] == 3
    image = {k: v.clone() for k, v in vision.image_vision_tower.state_dict().items()}
    video = {k: v.clone() for k, v in vision.vision_tower.state_dict().items()}
    train_video(vision, VideoPlan(steps=2, batch=1, pool=2, warmup=1, held=2, bf16=False), 1, tmp_path)
    assert all(torch.equal(image[k], v) for k, v in vision.image_vision_tower.state_dict().items())
    assert not all(torch.equal(video[k], v) for k, v in vision.vision_tower.state_dict().items())
    assert all(torch.isfinite(p).all() for p in vision.parameters())
    assert load_heads(TINY, tmp_path).trunk[0].weight.shape[1] == TINY.image.width
    with pytest.raises(ValueError, match="train the image tower first"):
        load_heads(TINY, tmp_path / "elsewhere")


def test_positions_differ_and_patches_are_copied() -> None:
    torch.manual_seed(0)
    vision = VisionHalf(TINY)
    init_positions(vision)
    init_video_positions(vision)
    tower = vision.image_vision_tower.vision_tower
    table = tower.get_parameter("vision_model.embeddings.position_embedding.weight")[1:]
    for rows in (table, vision.vision_tower.vision_encoder.pos_embed[0, 1:]):
        likeness = torch.nn.functional.normalize(rows, dim=-1) @ torch.nn.functional.normalize(rows, dim=-1).T
        assert likeness.fill_diagonal_(0).max() < 0.99
    copy_patches(vision)
    source = tower.get_parameter("vision_model.embeddings.patch_embedding.weight")
    assert torch.equal(vision.vision_tower.vision_encoder.patch_embed.proj.weight[:, :, 0], source)


def test_initial_patches_are_uncorrelated() -> None:
    torch.manual_seed(0)
    vision = VisionHalf(TINY)
    frames = torch.randint(0, 255, (32, 1, 112, 112, 3), dtype=torch.uint8)
    init_patches(vision, frames)
    tower = vision.image_vision_tower.vision_tower
    rows = tower.get_parameter("vision_model.embeddings.patch_embedding.weight").flatten(1).detach()
    likeness = torch.nn.functional.normalize(rows, dim=-1) @ torch.nn.functional.normalize(rows, dim=-1).T
    assert float(likeness.fill_diagonal_(0).abs().max()) < 1e-3


def test_eager_attention_gives_equal_tokens() -> None:
    torch.manual_seed(0)
    vision = VisionHalf(TINY).eval()
    frames = torch.randint(0, 255, (2, 1, 112, 112, 3), dtype=torch.uint8)
    with torch.no_grad():
        usual = vision.encode_images(frames)
        with eager_attention(vision):
            plain = vision.encode_images(frames)
        again = vision.encode_images(frames)
    assert torch.allclose(usual, plain, atol=1e-5)
    assert torch.equal(usual, again)
