"""Encoding with the vision half of a tiny model with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cornerman_encoder.mobile_videogpt import VisionEncoder
from cornerman_encoder.service import make_encoder
from cornerman_pose import nets
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.tree import EncoderSettings
from mobile_videogpt import MobileVideoGPT, MobileVideoGPTConfig
from mobile_videogpt.tokenizer import tiny_tokenizer
from tests.unit.encoder.chunks import batch, pixels_of


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("ckpt") / "tiny"
    model = MobileVideoGPT(MobileVideoGPTConfig.tiny())
    model.tokenizer = tiny_tokenizer()
    model.save_pretrained(folder)
    return folder


def test_mixed_sizes_encode_as_alone(checkpoint: Path) -> None:
    encoder = make_encoder(EncoderSettings(backend="mobile_videogpt", model=str(checkpoint), device="cpu"))
    frames = [pixels_of(0, 112, 112), pixels_of(1, 112, 150), pixels_of(2, 112, 112)]
    together = encoder.encode(*batch(*frames))
    assert encoder.model == "tiny"
    for one, expected in zip(frames, together, strict=True):
        alone = encoder.encode(*batch(one))[0]
        np.testing.assert_allclose(alone.vector, expected.vector, atol=1e-4)
        assert alone.context is not None and expected.context is not None
        np.testing.assert_allclose(alone.context.astype(np.float32), expected.context.astype(np.float32), atol=2e-3)


def test_phone_video_is_seen_whole(checkpoint: Path) -> None:
    """Head and feet of a 9:16 video lay outside the square that the image tower takes from the middle."""
    settings = EncoderSettings(backend="mobile_videogpt", model=str(checkpoint), device="cpu")
    dark, lit = np.zeros((8, 398, 224, 3), np.uint8), np.zeros((8, 398, 224, 3), np.uint8)
    lit[:, :60] = 255
    for framing, differs in (("middle", False), ("whole", True)):
        encoder = make_encoder(settings.model_copy(update={"framing": framing}))
        one, other = encoder.encode(*batch(dark, lit))
        assert one.context is not None and other.context is not None
        assert bool(np.abs(one.context - other.context).max() > 0) == differs


def test_missing_weights_close_person_framing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORNERMAN_CACHE", str(tmp_path))
    monkeypatch.setattr(nets, "litert", lambda: None)
    with pytest.raises(ConfigError, match=r"encoder\.framing = person: .* cornerman models get pose"):
        make_encoder(EncoderSettings(backend="mobile_videogpt", framing="person"))


def test_shapes_and_dtypes_follow_the_messages(checkpoint: Path) -> None:
    config = MobileVideoGPTConfig.tiny()
    encoder = VisionEncoder.load(EncoderSettings(backend="mobile_videogpt", model=str(checkpoint), device="cpu"))
    encoded = encoder.encode(*batch(pixels_of(0, 112, 112)))[0]
    assert encoded.context is not None and encoded.video is not None
    assert encoded.vector.shape == (config.feature_size,)
    assert encoded.vector.dtype == np.float32
    assert encoded.context.shape == (8, 16, config.language.width)
    assert encoded.video.shape == (32, config.language.width)
    assert encoded.context.dtype == np.float16
    assert encoded.prepare_s > 0


def test_sixteen_frames_go_the_published_way(checkpoint: Path) -> None:
    """A poll of 16 frames was two chunks: 2 x 1250 tokens instead of the 2402 that the model was trained with."""
    encoder = VisionEncoder.load(EncoderSettings(backend="mobile_videogpt", model=str(checkpoint), device="cpu"))
    model = MobileVideoGPT.from_pretrained(checkpoint, part="vision", dtype=torch.float32, device="cpu")
    clip = np.concatenate([pixels_of(0, 112, 112), pixels_of(1, 112, 112)])
    poll, chunk = encoder.encode(*batch(clip, pixels_of(2, 112, 112)))
    expected = model.encode_clip(torch.from_numpy(clip)[None])
    assert poll.context is not None and poll.video is not None and chunk.context is not None
    np.testing.assert_allclose(poll.context.astype(np.float32), expected.context[0].numpy(), atol=2e-3)
    np.testing.assert_allclose(poll.video.astype(np.float32), expected.video[0].numpy(), atol=2e-3)
    assert (poll.context.shape[:2], chunk.context.shape[:2]) == ((16, 16), (8, 16))
    assert poll.context.shape[0] * poll.context.shape[1] + poll.video.shape[0] == model.config.clip_tokens
    assert [encoder.reads(count) for count in (1, 8, 10, 16, 64)] == [False, True, False, True, False]


def test_unloadable_model_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"encoder\.model.*cannot be loaded"):
        VisionEncoder.load(EncoderSettings(backend="mobile_videogpt", model=str(tmp_path), device="cpu"))
    with pytest.raises(ConfigError, match="no such file or folder"):
        VisionEncoder.load(EncoderSettings(backend="mobile_videogpt", model="./nowhere", device="cpu"))


def test_missing_device_is_a_config_error(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"encoder\.device = 'cuda'"):
        VisionEncoder.load(EncoderSettings(backend="mobile_videogpt", model=str(checkpoint), device="cuda"))
    with pytest.raises(ConfigError, match="unknown device"):
        VisionEncoder.load(EncoderSettings(backend="mobile_videogpt", model=str(checkpoint), device="tpu9000"))
