"""The vision half: shapes, batches, gradients, threads, precision."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from mobile_videogpt import MobileVideoGPT, MobileVideoGPTConfig
from tests.unit.model.builders import random_frames


def test_chunk_gives_context_and_video_tokens(vision_model: MobileVideoGPT) -> None:
    config, tokens = vision_model.config, vision_model.encode_chunk(random_frames(3, 8))
    assert tokens.context.shape == (3, 8, config.image_tokens, config.language.width)
    assert tokens.video.shape == (3, 2 * config.projector.video_pool**2, config.language.width)
    assert tokens.features.shape == (3, config.feature_size)
    assert tokens.features.dtype == torch.float32
    assert tokens.merged().shape[1] == config.chunk_tokens
    assert tokens.selected is None


def test_clip_keeps_four_of_eight_frames(vision_model: MobileVideoGPT) -> None:
    tokens = vision_model.encode_clip(random_frames(2, 16))
    assert tokens.context.shape[:2] == (2, 16)
    assert tokens.merged().shape[1] == vision_model.config.clip_tokens
    assert tokens.selected is not None
    assert tokens.selected.shape == (2, 2, 4)
    assert bool((tokens.selected.diff(dim=-1) > 0).all())


def test_batch_equals_its_rows(vision_model: MobileVideoGPT) -> None:
    for encode, frames in (
        (vision_model.encode_chunk, random_frames(3, 8)),
        (vision_model.encode_clip, random_frames(3, 16)),
    ):
        whole = encode(frames)
        for row in range(3):
            alone = encode(frames[row : row + 1])
            torch.testing.assert_close(whole.merged()[row], alone.merged()[0], atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(whole.features[row], alone.features[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("path", "count"), [("encode_chunk", 16), ("encode_chunk", 7), ("encode_clip", 8)])
def test_wrong_frame_count_is_refused(vision_model: MobileVideoGPT, path: str, count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} frames given"):
        getattr(vision_model, path)(random_frames(1, count))


def test_gradients_reach_every_read_weight() -> None:
    torch.manual_seed(1)
    config = MobileVideoGPTConfig.tiny()
    model = MobileVideoGPT(replace(config, video=replace(config.video, clip_decoder_width=8)), part="vision")
    tokens = model.forward_chunk(random_frames(2, 8))
    (tokens.merged().square().mean() + tokens.features.square().mean()).backward()
    without_gradient = {
        name for name, p in model.named_parameters() if p.grad is None or float(p.grad.abs().max()) == 0.0
    }
    last = f"encoder.layers.{config.image.depth - 1}."
    unread = {
        n for n in without_gradient if "clip_decoder" in n or "post_layernorm" in n or last in n or "k_proj.bias" in n
    }
    assert without_gradient == unread
    assert any("clip_decoder" in name for name in without_gradient)


def test_few_steps_reduce_loss() -> None:
    torch.manual_seed(2)
    model, frames = MobileVideoGPT(MobileVideoGPTConfig.tiny(), part="vision"), random_frames(2, 8)
    target = torch.randn(2, 1, model.config.language.width)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(5):
        loss = (model.forward_chunk(frames).merged().mean(1, keepdim=True) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_threads_give_equal_tokens(vision_model: MobileVideoGPT) -> None:
    inputs = [random_frames(1, 8, seed=seed) for seed in range(6)]
    alone = [vision_model.encode_chunk(frames).merged() for frames in inputs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(vision_model.encode_chunk, inputs))
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(other.merged(), one)


def test_bfloat16_is_close_to_float32(vision_model: MobileVideoGPT) -> None:
    half = MobileVideoGPT(vision_model.config, part="vision").eval()
    half.load_state_dict(vision_model.state_dict())
    half.to(torch.bfloat16)
    frames = random_frames(1, 8)
    wanted, found = vision_model.encode_chunk(frames), half.encode_chunk(frames)
    assert found.video.dtype == torch.bfloat16
    assert found.features.dtype == torch.float32
    error = (found.features - wanted.features).norm() / wanted.features.norm()
    assert float(error) < 0.03
