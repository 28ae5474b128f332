"""The model and its two halves."""

from __future__ import annotations

import pytest

from mobile_videogpt import MobileVideoGPT, MobileVideoGPTConfig
from mobile_videogpt.config import ClipVisionConfig, LanguageConfig, ProjectorConfig, VideoMambaConfig
from tests.unit.model.builders import random_frames


def test_published_sizes_give_published_token_counts() -> None:
    config = MobileVideoGPTConfig.full_0_5b()
    assert (config.chunk_tokens, config.clip_tokens) == (1250, 2402)
    assert (config.image_tokens, config.video_tokens, config.video.sequence_length) == (144, 98, 1569)


def test_tiny_model_has_few_parameters() -> None:
    model = MobileVideoGPT(MobileVideoGPTConfig.tiny())
    assert sum(p.numel() for p in model.parameters()) <= 3_000_000


def test_other_sizes_encode_too() -> None:
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
    assert model.encode_chunk(random_frames(2, 2)).merged().shape == (2, 2 * 9 + 2 * 4, 28)
    assert model.encode_clip(random_frames(2, 4)).merged().shape == (2, 4 * 9 + 2 * 4, 28)


def test_half_refuses_other_halfs_calls(vision_model: MobileVideoGPT) -> None:
    with pytest.raises(RuntimeError, match="vision half only"):
        vision_model.require_language()
    with pytest.raises(RuntimeError, match="language half only"):
        MobileVideoGPT(vision_model.config, part="language").encode_chunk(random_frames(1, 8))
    with pytest.raises(ValueError, match="part 'eyes' does not exist"):
        MobileVideoGPT(vision_model.config, part="eyes")  # type: ignore[arg-type]
