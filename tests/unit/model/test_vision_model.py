"""The vision half at free sizes: shapes, batches, gradients, features, threads, precision."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from mobile_videogpt import MobileVideoGPT, MobileVideoGPTConfig, split_features
from mobile_videogpt.config import ClipVisionConfig, LanguageConfig, ProjectorConfig, VideoMambaConfig
from mobile_videogpt.projector import pool_grid
from mobile_videogpt.selection import frame_scores, select_frames


@pytest.fixture(scope="module")
def tiny() -> MobileVideoGPT:
    torch.manual_seed(0)
    return MobileVideoGPT(MobileVideoGPTConfig.tiny(), part="vision").eval()


def _frames(batch: int, count: int, *, height: int = 60, width: int = 100, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (batch, count, height, width, 3), generator=rng, dtype=torch.uint8)


def test_a_chunk_gives_every_frames_context_and_two_groups_of_video_tokens(tiny: MobileVideoGPT) -> None:
    config, tokens = tiny.config, tiny.encode_chunk(_frames(3, 8))
    assert tokens.context.shape == (3, 8, config.image_tokens, config.language.width)
    assert tokens.video.shape == (3, 2 * config.projector.video_pool**2, config.language.width)
    assert tokens.features.shape == (3, config.feature_size)
    assert tokens.features.dtype == torch.float32
    assert tokens.merged().shape[1] == config.chunk_tokens
    assert tokens.selected is None


def test_a_clip_keeps_four_of_each_eight_frames(tiny: MobileVideoGPT) -> None:
    tokens = tiny.encode_clip(_frames(2, 16))
    assert tokens.context.shape[:2] == (2, 16)
    assert tokens.merged().shape[1] == tiny.config.clip_tokens
    assert tokens.selected is not None
    assert tokens.selected.shape == (2, 2, 4)
    assert bool((tokens.selected.diff(dim=-1) > 0).all())


def test_published_sizes_give_1250_and_2402_tokens() -> None:
    config = MobileVideoGPTConfig.full_0_5b()
    assert (config.chunk_tokens, config.clip_tokens) == (1250, 2402)
    assert (config.image_tokens, config.video_tokens, config.video.sequence_length) == (144, 98, 1569)


def test_the_tiny_model_has_at_most_three_million_parameters() -> None:
    model = MobileVideoGPT(MobileVideoGPTConfig.tiny())
    assert sum(p.numel() for p in model.parameters()) <= 3_000_000


def test_a_batch_gives_what_its_rows_give_alone(tiny: MobileVideoGPT) -> None:
    for encode, frames in ((tiny.encode_chunk, _frames(3, 8)), (tiny.encode_clip, _frames(3, 16))):
        whole = encode(frames)
        for row in range(3):
            alone = encode(frames[row : row + 1])
            torch.testing.assert_close(whole.merged()[row], alone.merged()[0], atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(whole.features[row], alone.features[0], atol=1e-5, rtol=1e-5)


def test_features_hold_cls_and_each_frames_means(tiny: MobileVideoGPT) -> None:
    frames, vision = _frames(2, 8), tiny.require_vision()
    parts = split_features(tiny.encode_chunk(frames).features, tiny.config)
    with torch.inference_mode():
        video, image = vision.encode_video(frames), vision.encode_images(frames)
    torch.testing.assert_close(parts.cls, video[:, 0])
    torch.testing.assert_close(parts.video[:, 2], video[:, 1 + 2 * 49 : 1 + 3 * 49].mean(1))
    torch.testing.assert_close(parts.image[:, 5], image[:, 5].mean(1))


def test_features_of_another_model_are_refused(tiny: MobileVideoGPT) -> None:
    with pytest.raises(ValueError, match=r"11328 values.*1632"):
        split_features(torch.zeros(1, MobileVideoGPTConfig.full_0_5b().feature_size), tiny.config)


def test_a_clips_features_describe_the_selected_frames(tiny: MobileVideoGPT) -> None:
    frames = _frames(1, 16)
    tokens = tiny.encode_clip(frames)
    assert tokens.selected is not None
    kept = (tokens.selected[0] + torch.tensor([[0], [8]])).flatten()
    torch.testing.assert_close(tokens.features, tiny.encode_chunk(frames[:, kept]).features)


@pytest.mark.parametrize(("path", "count"), [("encode_chunk", 16), ("encode_chunk", 7), ("encode_clip", 8)])
def test_another_number_of_frames_is_an_error(tiny: MobileVideoGPT, path: str, count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} frames given"):
        getattr(tiny, path)(_frames(1, count))


def test_training_reaches_every_weight_that_a_chunk_reads() -> None:
    torch.manual_seed(1)
    config = MobileVideoGPTConfig.tiny()
    model = MobileVideoGPT(replace(config, video=replace(config.video, clip_decoder_width=8)), part="vision")
    tokens = model.forward_chunk(_frames(2, 8))
    (tokens.merged().square().mean() + tokens.features.square().mean()).backward()
    silent = {name for name, p in model.named_parameters() if p.grad is None or float(p.grad.abs().max()) == 0.0}
    last = f"encoder.layers.{config.image.depth - 1}."
    unread = {n for n in silent if "clip_decoder" in n or "post_layernorm" in n or last in n or "k_proj.bias" in n}
    assert silent == unread
    assert any("clip_decoder" in name for name in silent)


def test_a_few_steps_of_training_reduce_a_loss() -> None:
    torch.manual_seed(2)
    model, frames = MobileVideoGPT(MobileVideoGPTConfig.tiny(), part="vision"), _frames(2, 8)
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


def test_encoding_from_several_threads_gives_the_same(tiny: MobileVideoGPT) -> None:
    inputs = [_frames(1, 8, seed=seed) for seed in range(6)]
    alone = [tiny.encode_chunk(frames).merged() for frames in inputs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(tiny.encode_chunk, inputs))
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(other.merged(), one)


def test_bfloat16_weights_stay_close_to_float32(tiny: MobileVideoGPT) -> None:
    half = MobileVideoGPT(tiny.config, part="vision").eval()
    half.load_state_dict(tiny.state_dict())
    half.to(torch.bfloat16)
    frames = _frames(1, 8)
    wanted, found = tiny.encode_chunk(frames), half.encode_chunk(frames)
    assert found.video.dtype == torch.bfloat16
    assert found.features.dtype == torch.float32
    error = (found.features - wanted.features).norm() / wanted.features.norm()
    assert float(error) < 0.03


def test_another_shape_of_model_is_the_same_class() -> None:
    config = MobileVideoGPTConfig(
        video=VideoMambaConfig(
            image_size=48, patch_size=12, depth=1, width=20, expand=3, d_state=5, d_conv=3, dt_rank=2, num_frames=2
        ),
        image=ClipVisionConfig(image_size=40, patch_size=8, depth=2, width=24, heads=3, mlp_width=40, select_layer=-1),
        projector=ProjectorConfig(image_pool=3, video_pool=2),
        language=LanguageConfig(vocab_size=64, width=28, depth=1, heads=2, kv_heads=1, mlp_width=40),
        chunk_frames=2,
        clip_frames=4,
        num_select_k=1,
    )
    model = MobileVideoGPT(config, part="vision").eval()
    assert model.encode_chunk(_frames(2, 2)).merged().shape == (2, 2 * 9 + 2 * 4, 28)
    assert model.encode_clip(_frames(2, 4)).merged().shape == (2, 4 * 9 + 2 * 4, 28)


def test_each_half_refuses_the_others_work(tiny: MobileVideoGPT) -> None:
    with pytest.raises(RuntimeError, match="vision half only"):
        tiny.require_language()
    with pytest.raises(RuntimeError, match="language half only"):
        MobileVideoGPT(tiny.config, part="language").encode_chunk(_frames(1, 8))
    with pytest.raises(ValueError, match="part 'eyes' does not exist"):
        MobileVideoGPT(tiny.config, part="eyes")  # type: ignore[arg-type]


def test_frame_scores_are_the_column_sums_of_the_attention() -> None:
    tokens = torch.randn(3, 4, 5, 6)
    scores = frame_scores(tokens)
    torch.testing.assert_close(scores.sum(-1), torch.full((3,), 20.0))
    louder = tokens.clone()
    louder[:, 2] = tokens.mean((1, 2))[:, None] * 9
    assert select_frames(louder, 4).indices.tolist() == [[0, 1, 2, 3]] * 3
    with pytest.raises(ValueError, match="cannot select 5 of 4"):
        select_frames(tokens, 5)


def test_tokens_that_make_no_square_are_refused() -> None:
    with pytest.raises(ValueError, match="392 tokens do not make a square"):
        pool_grid(torch.zeros(1, 392, 4), 7)
