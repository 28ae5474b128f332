"""Families of image-text-to-text models, each small with random weights: saved, loaded by path, driven with pictures.

The image processors are those of Pillow; nothing here needs torchvision.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from cornerman.local.vlm_support import vlm_state
from cornerman_generator.backends import make_generator
from cornerman_generator.picture_processor import load_processor, set_tiles
from cornerman_generator.protocol import TextDelta
from cornerman_generator.reply_text import BoundedGenerator
from cornerman_shared.bus.chunk_input import ChunkInput
from cornerman_shared.bus.messages import ChunkRef, Request, Sampling
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.tree import GeneratorSettings

MakeRequest = Callable[..., Request]
Parts = tuple[Any, Any, Any, dict[str, Any], str]
SIDE = 32


def tokenizer_of(*tokens: str, **named: str) -> tuple[Any, dict[str, int]]:
    """A byte-level tokenizer without merges; `named` are attributes that a processor asks for."""
    everything = ["<pad>", "<eos>", *dict.fromkeys([*tokens, *named.values()])]
    vocabulary = {token: i for i, token in enumerate([*everything, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    special = named or list(tokens)
    return (
        transformers.PreTrainedTokenizerFast(
            tokenizer_object=backend, pad_token="<pad>", eos_token="<eos>", extra_special_tokens=special
        ),
        vocabulary,
    )


def text_config(vocabulary: dict[str, int], **more: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(vocabulary), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "bos_token_id": None, "eos_token_id": 1, "pad_token_id": 0,
        **more,
    }  # fmt: skip


VIT = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}


def idefics(kind: str) -> Parts:
    tokenizer, vocabulary = tokenizer_of(
        "<fake_token_around_image>", "<image>", "<global-img>", "<end_of_utterance>", "<row_1_col_1>"
    )
    config = getattr(transformers, f"{kind}Config")(
        vision_config={**VIT, "image_size": SIDE, "patch_size": 8},
        text_config={"model_type": "llama", **text_config(vocabulary)},
        image_token_id=vocabulary["<image>"],
        scale_factor=2,
    )
    model = getattr(transformers, f"{kind}ForConditionalGeneration")(config)
    longest = {"longest_edge": SIDE}
    images = getattr(transformers, f"{kind}ImageProcessorPil")(size=longest, max_image_size=longest)
    return model, tokenizer, images, {"image_seq_len": 4}, "<image>"


def qwen(kind: str, vision: dict[str, Any], **rope: Any) -> Parts:
    tokenizer, vocabulary = tokenizer_of("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>")
    rotary = {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 10_000.0, **rope}
    config = getattr(transformers, f"{kind}Config")(
        text_config=text_config(vocabulary, rope_parameters=rotary, head_dim=8),
        vision_config={
            "depth": 2, "hidden_size": 32, "num_heads": 4, "patch_size": 8, "spatial_merge_size": 2,
            "temporal_patch_size": 2, **vision,
        },
        image_token_id=vocabulary["<|image_pad|>"],
        video_token_id=vocabulary["<|video_pad|>"],
        vision_start_token_id=vocabulary["<|vision_start|>"],
        vision_end_token_id=vocabulary["<|vision_end|>"],
    )  # fmt: skip
    model = getattr(transformers, f"{kind}ForConditionalGeneration")(config)
    size = {"shortest_edge": 16 * 16, "longest_edge": 64 * 64}
    images = transformers.Qwen2VLImageProcessorPil(patch_size=8, merge_size=2, size=size)
    return model, tokenizer, images, {}, "<|vision_start|><|image_pad|><|vision_end|>"


def internvl() -> Parts:
    named = {
        "start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }  # fmt: skip
    tokenizer, vocabulary = tokenizer_of(**named)
    config = transformers.InternVLConfig(
        vision_config={**VIT, "image_size": [SIDE, SIDE], "patch_size": [8, 8]},
        text_config={"model_type": "qwen2", **text_config(vocabulary)},
        image_token_id=vocabulary["<IMG_CONTEXT>"],
        downsample_ratio=0.5,
    )
    images = transformers.GotOcr2ImageProcessorPil(size={"height": SIDE, "width": SIDE})
    model = transformers.InternVLForConditionalGeneration(config)
    return model, tokenizer, images, {"image_seq_length": 4}, "<IMG_CONTEXT>"


def llava(kind: str = "Llava") -> Parts:
    tokenizer, vocabulary = tokenizer_of("<image>")
    grid = {"image_grid_pinpoints": [[SIDE, SIDE]]} if kind == "LlavaNext" else {}
    config = getattr(transformers, f"{kind}Config")(
        vision_config={"model_type": "clip_vision_model", **VIT, "image_size": SIDE, "patch_size": 8},
        text_config={"model_type": "llama", **text_config(vocabulary)},
        image_token_index=vocabulary["<image>"],
        vision_feature_layer=-1,
        **grid,
    )
    size = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}}
    image_kind = "CLIP" if kind == "Llava" else kind
    images = getattr(transformers, f"{image_kind}ImageProcessorPil")(**size, **grid)
    model = getattr(transformers, f"{kind}ForConditionalGeneration")(config)
    settings = {"patch_size": 8, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    return model, tokenizer, images, settings, "<image>"


FAMILIES: dict[str, Callable[[], Parts]] = {
    "SmolVLM": lambda: idefics("SmolVLM"),
    "Idefics3": lambda: idefics("Idefics3"),
    "Qwen2VL": lambda: qwen("Qwen2VL", {"embed_dim": 32, "mlp_ratio": 2}),
    "Qwen2_5_VL": lambda: qwen(
        "Qwen2_5_VL", {"intermediate_size": 64, "out_hidden_size": 32, "window_size": 32, "fullatt_block_indexes": [1]}
    ),
    "Qwen3VL": lambda: qwen(
        "Qwen3VL",
        {
            "intermediate_size": 64,
            "out_hidden_size": 32,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0],
        },
        mrope_interleaved=True,
    ),
    "Llava": llava,
    "LlavaNext": lambda: llava("LlavaNext"),
    "InternVL": internvl,
}


def write_family(name: str, folder: Path) -> Path:
    """Saves a model as its hub folder looks: config, weights, tokenizer, image processor, chat template."""
    torch.manual_seed(2)
    model, tokenizer, images, settings, picture = FAMILIES[name]()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    model.generation_config.eos_token_id = None
    for part in (model, tokenizer, images):
        part.save_pretrained(folder)
    processor = {"processor_class": f"{name}Processor", **settings}
    (folder / "processor_config.json").write_text(json.dumps(processor), encoding="utf-8")
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}{{ m['role'] }}:{% for c in m['content'] %}"
        f"{{% if c['type'] == 'image' %}}{picture}{{% else %}}{{{{ c['text'] }}}}{{% endif %}}{{% endfor %}}\n"
        "{% endfor %}assistant:",
        encoding="utf-8",
    )
    return folder


def look(frames: int, replaced: int | None = None) -> list[ChunkInput]:
    """One look of noisy frames; the frame `replaced` is another one."""
    random = np.random.default_rng(3)
    pixels = random.integers(0, 255, (frames, 30, 44, 3), dtype=np.uint8)
    if replaced is not None:
        pixels[replaced] = 255 - pixels[replaced]
    pts = tuple(i / 4 for i in range(frames))
    return [ChunkInput(ChunkRef(0, pts[-1], pts, None, None, None), frames=pixels)]


async def replies(generator: BoundedGenerator, request: Request, chunks: list[ChunkInput]) -> list[TextDelta]:
    return [delta async for delta in generator.generate(request, chunks)]


@pytest.mark.parametrize("name", FAMILIES)
async def test_every_picture_reaches_the_model(
    name: str, request_for: MakeRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels: list[torch.Tensor] = []
    generate = transformers.GenerationMixin.generate

    def recorded(self: Any, **inputs: Any) -> Any:
        pixels.append(inputs["pixel_values"])
        return generate(self, **inputs)

    monkeypatch.setattr(transformers.GenerationMixin, "generate", recorded)
    try:
        folder = write_family(name, tmp_path / name)
    except ImportError as error:
        # transformers 5.16 asks for torchvision in two processors that do not use it.
        assert "Torchvision" in str(error) and transformers.__version__.startswith("5.16.")
        return
    settings = GeneratorSettings(backend="vlm", model=str(folder), device="cpu")
    generator = BoundedGenerator(make_generator(settings), 8000)
    request = request_for(sampling=Sampling(max_new_tokens=12), prompt="How?")
    deltas = await replies(generator, request, look(16))
    lengths = {n: (await replies(generator, request, look(n)))[-1].n_input_tokens for n in (1, 2, 16)}
    changed = [await replies(generator, request, look(16, replaced)) for replaced in (0, 7, 15)]
    await generator.close()
    text = "".join(delta.text for delta in deltas)
    assert text and 0 < sum(delta.n_tokens for delta in deltas) <= 13
    picture = lengths[2] - lengths[1]
    assert lengths[16] - lengths[1] == 15 * picture > 0, "16 pictures, whole"
    assert picture < 32, "one tile a picture"
    assert {text} != {"".join(delta.text for delta in each) for each in changed}
    whole, *others = pixels[0], *pixels[-3:]
    assert not any(torch.equal(whole, other) for other in others), "the oldest and the newest are among them"


def test_large_pictures_are_cut_on_demand(tmp_path: Path) -> None:
    internvl = SimpleNamespace(image_processor=SimpleNamespace(crop_to_patches=True))
    assert set_tiles(internvl, 1) == {"crop_to_patches": False, "min_patches": 1, "max_patches": 1}
    assert set_tiles(internvl, 4)["max_patches"] == 4
    smol = SimpleNamespace(image_processor=SimpleNamespace(do_image_splitting=True))
    assert (set_tiles(smol, 1), smol.image_processor.do_image_splitting) == ({}, False)
    assert set_tiles(SimpleNamespace(), 3) == {}


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that exists only with torchvision, where it is not installed."""

    def refuse(*_: object, **__: object) -> None:
        raise ImportError("Kosmos9ImageProcessor requires the Torchvision library but it was not found")

    monkeypatch.setattr(transformers.AutoProcessor, "from_pretrained", refuse)
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torchvision" else found(name))
    with pytest.raises(ConfigError, match=r"needs torchvision, which is not installed: pip install 'cornerman\[vlm\]'"):
        load_processor("some/model", SimpleNamespace(model_type="kosmos9"))
    state, remedy = vlm_state()
    assert "no torchvision" in state and "cornerman[vlm]" in remedy
