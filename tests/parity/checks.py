"""One check for every file of the reference's outputs; `test_mutations` shows that mutated models fail them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.preprocess import image_pixels, video_pixels
from mobile_videogpt.selection import frame_scores, select_frames
from mobile_videogpt.vision import VisionHalf
from tests.parity.golden import Golden

FEATURE_ATOL = 1e-4
# Both resizes are bit-exact; one grey level is 0.0175 after normalising.
PIXEL_ATOL = 1e-6


def close(found: Tensor, wanted: NDArray[Any], *, atol: float = FEATURE_ATOL, what: str = "") -> None:
    np.testing.assert_allclose(found.detach().numpy(), wanted, rtol=0, atol=atol, err_msg=what)


def _stats(tokens: Tensor, arrays: dict[str, NDArray[Any]], prefix: str = "token") -> None:
    close(tokens.mean(-1), arrays[f"{prefix}_mean"], what=f"{prefix}_mean")
    close(tokens.norm(dim=-1), arrays[f"{prefix}_l2"], what=f"{prefix}_l2")


def check_preprocessing(golden: Golden) -> None:
    arrays, frames = golden.arrays("preprocess"), golden.frames("input:frames_nonsquare")[0]
    video, image = video_pixels(frames, 224), image_pixels(frames, 224)
    close(video[..., ::5, ::5], arrays["video_pixels_step5"], atol=PIXEL_ATOL, what="video pixels")
    close(image[..., ::5, ::5], arrays["clip_pixels_step5"], atol=PIXEL_ATOL, what="CLIP pixels")
    close(video.double().mean((2, 3)), arrays["video_mean"], atol=PIXEL_ATOL, what="video mean")
    close(image.double().mean((2, 3)), arrays["clip_mean"], atol=PIXEL_ATOL, what="CLIP mean")


@torch.inference_mode()
def check_mixer(vision: VisionHalf, golden: Golden) -> None:
    mixer = vision.vision_tower.vision_encoder.layers[0].mixer
    out = mixer(golden.normal("input:mixer", 1, 37, 576))[0]
    close(out, golden.arrays("videomamba")["mixer0_unit_out"], what="mixer")


@torch.inference_mode()
def check_videomamba_blocks(vision: VisionHalf, golden: Golden) -> None:
    arrays, tower = golden.arrays("videomamba"), vision.vision_tower.vision_encoder
    pixels = video_pixels(golden.frames("input:video")[0], 224)
    close(pixels[..., ::16, ::16], arrays["pixels_step16"], atol=PIXEL_ATOL, what="pixels")
    hidden, residual = tower.embed(pixels[None]), None
    close(hidden[0, ::49], arrays["embed_step49"], what="embedding")
    for number, block in enumerate(tower.layers):
        hidden, residual = block(hidden, residual)
        close(hidden[0, ::49], arrays[f"block{number}_mixer_out_step49"], what=f"block {number} mixer")
        close(residual[0, ::49], arrays[f"block{number}_residual_step49"], what=f"block {number} residual")


@torch.inference_mode()
def check_videomamba_output(vision: VisionHalf, golden: Golden) -> None:
    arrays = golden.arrays("videomamba")
    features = vision.encode_video(golden.frames("input:video"))
    assert features.shape == tuple(arrays["features_shape"])
    close(features[0, ::7], arrays["features_step7"], what="features")
    _stats(features[0], arrays)


@torch.inference_mode()
def check_clip(vision: VisionHalf, golden: Golden) -> None:
    arrays, frames = golden.arrays("clip"), golden.frames("input:video")
    pixels = image_pixels(frames[0], 224)
    close(pixels[..., ::16, ::16], arrays["pixels_step16"], atol=PIXEL_ATOL, what="pixels")
    embedded = vision.image_vision_tower.embed(pixels[:1])
    close(embedded[0, ::49], arrays["pre_layernorm_img0_step49"], what="embedding")
    features = vision.encode_images(frames)[0]
    assert features.shape == tuple(arrays["features_shape"])
    close(features[:, ::13], arrays["features_step13"], what="features")
    _stats(features, arrays)


@torch.inference_mode()
def check_projectors(vision: VisionHalf, golden: Golden) -> None:
    arrays = golden.arrays("projectors")
    image = vision.image_mm_projector(golden.normal("input:proj_image", 1, 196, 768))
    video14 = vision.mm_projector(golden.normal("input:proj_video14", 2, 196, 576))
    video7 = vision.mm_projector(golden.normal("input:proj_video7", 1, 49, 576))
    close(image, arrays["image_out"], what="image projector")
    close(video14, arrays["video14_out"], what="video projector, 14 x 14")
    close(video7, arrays["video7_out"], what="video projector, 7 x 7")


@torch.inference_mode()
def check_selection(vision: VisionHalf, golden: Golden) -> None:
    frames = golden.frames("input:video16")
    groups = vision.encode_images(frames)[0].unflatten(0, (2, 8))
    arrays, selection = golden.arrays("chunk16"), select_frames(groups, 4)
    np.testing.assert_array_equal(selection.indices.numpy(), arrays["selected"])
    close(selection.scores.double(), arrays["scores"], atol=5e-3, what="scores")
    eight = frame_scores(vision.encode_images(golden.frames("input:video")))
    close(eight.double(), golden.arrays("chunk8")["scores"], atol=5e-3, what="scores of 8 frames")


def check_clip_tokens(model: MobileVideoGPT, golden: Golden) -> None:
    """16 frames, the published path."""
    arrays, tokens = golden.arrays("chunk16"), model.encode_clip(golden.frames("input:video16"))
    assert tokens.selected is not None
    np.testing.assert_array_equal(tokens.selected[0].numpy(), arrays["selected"])
    merged = tokens.merged()
    assert merged.shape == tuple(arrays["merged_shape"])
    context, video = int(arrays["n_context_tokens"][0]), int(arrays["n_video_tokens"][0])
    assert (tokens.context.shape[1] * tokens.context.shape[2], tokens.video.shape[1]) == (context, video)
    close(merged[0, :context:13], arrays["merged_context_step13"], what="context tokens")
    close(merged[0, context:], arrays["merged_video_all"], what="video tokens")
    _stats(merged[0], arrays)


@torch.inference_mode()
def check_clip_video_features(model: MobileVideoGPT, golden: Golden) -> None:
    """The pooled features of the selected frames, before the projector."""
    arrays, frames, vision = golden.arrays("chunk16"), golden.frames("input:video16"), model.require_vision()
    kept = (torch.from_numpy(arrays["selected"]) + torch.tensor([[0], [8]])).flatten()
    grouped = vision.grouped(vision.encode_video(frames[:, kept]))[0]
    assert grouped.shape == tuple(arrays["video_features_shape"])
    close(grouped[:, ::7], arrays["video_features_step7"], what="video features")


@torch.inference_mode()
def check_chunk_tokens(model: MobileVideoGPT, golden: Golden) -> None:
    """8 frames, the streaming path: variant A of the reference's continuations."""
    arrays, frames = golden.arrays("chunk8"), golden.frames("input:video")
    vision, tokens = model.require_vision(), model.encode_chunk(frames)
    pooled = vision.grouped(vision.encode_video(frames)).flatten(1, 2)
    assert pooled.shape == tuple(arrays["video_features_shape"])
    close(pooled[0, ::7], arrays["video_features_step7"], what="video features")
    context = tokens.context[0].flatten(0, 1)
    close(context[::13], arrays["context_tokens_step13"], what="context tokens")
    _stats(context, arrays, "context_token")
    close(tokens.video[0], arrays["variantA_video_tokens"], what="video tokens")
    _stats(tokens.video[0], arrays, "variantA_token")
    assert tokens.merged().shape[1] == int(arrays["variantA_total_tokens"][0])
