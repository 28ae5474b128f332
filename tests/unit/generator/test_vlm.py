"""VLM back end on a tiny LLaVA with random weights that the test builds, and MiniCPM's own interface."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from cornerman_generator.backends import make_generator
from cornerman_generator.minicpm import MiniCpmBackend, repair_quantization
from cornerman_generator.protocol import TextDelta
from cornerman_generator.vlm import VlmGenerator, sampling_arguments
from cornerman_shared.bus.chunk_input import ChunkInput
from cornerman_shared.bus.messages import Request, Sampling
from cornerman_shared.errors import ConfigError, GenerationError
from cornerman_shared.settings.tree import GeneratorSettings

MakeRequest = Callable[..., Request]
TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}:{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<image>{% else %}{{ c['text'] }}{% endif %}{% endfor %}\n{% endfor %}assistant:"
)


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vlm") / "tiny-llava"
    bytes_ = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(["<pad>", "<eos>", "<image>", *bytes_])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="<eos>", extra_special_tokens=["<image>"]
    )
    vision = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, image_size=28, patch_size=14
    )
    text = LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, bos_token_id=None, eos_token_id=1, pad_token_id=0,
    )  # fmt: skip
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_index=2, vision_feature_layer=-1)
    torch.manual_seed(2)
    model = LlavaForConditionalGeneration(config)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.4)
    model.generation_config.eos_token_id = None
    model.save_pretrained(folder)
    size = {"height": 28, "width": 28}
    images = CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size=size)
    processor = LlavaProcessor(
        images, tokenizer, patch_size=14, vision_feature_select_strategy="default", chat_template=TEMPLATE,
        num_additional_image_tokens=1,
    )  # fmt: skip
    processor.save_pretrained(folder)
    return folder


def settings(folder: Path | str, **changes: Any) -> GeneratorSettings:
    return GeneratorSettings(**{"backend": "vlm", "model": str(folder), "device": "cpu", **changes})


async def collect(deltas: AsyncIterator[TextDelta]) -> list[TextDelta]:
    return [delta async for delta in deltas]


async def test_transformers_model_streams_text(llava: Path, request_for: MakeRequest, chunks: list[ChunkInput]) -> None:
    generator = make_generator(settings(llava))
    request = request_for(sampling=Sampling(max_new_tokens=16), system_prompt="Be brief.")
    deltas = await collect(generator.generate(request, chunks))
    again = await collect(generator.generate(request, chunks))
    assert generator.model == "tiny-llava"
    text = "".join(d.text for d in deltas)
    assert text
    assert "assistant" not in text
    assert text == "".join(d.text for d in again)
    assert 0 < sum(d.n_tokens for d in deltas) <= 17
    assert deltas[0].n_input_tokens > 12 * 4  # twelve images of four patches, and the text
    dark = [ChunkInput(c.ref, frames=np.zeros_like(c.frames)) for c in chunks]
    other = await collect(generator.generate(request, dark))
    assert "".join(d.text for d in other) != text
    await generator.close()


async def test_closing_stops_transformers_model(
    llava: Path, request_for: MakeRequest, chunks: list[ChunkInput]
) -> None:
    generator = make_generator(settings(llava))
    iterator: Any = generator.generate(request_for(sampling=Sampling(max_new_tokens=4000)), chunks)
    await anext(iterator)
    await iterator.aclose()
    short = request_for(sampling=Sampling(max_new_tokens=3))
    assert await collect(generator.generate(short, chunks))
    await generator.close()


async def test_vlm_refuses_adapter(llava: Path, request_for: MakeRequest, chunks: list[ChunkInput]) -> None:
    generator = make_generator(settings(llava))
    with pytest.raises(GenerationError, match="takes none"):
        await collect(generator.generate(request_for(adapter="coach"), chunks))
    await generator.close()


def test_unloadable_model_is_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"generator\.model is empty"):
        make_generator(settings(""))
    with pytest.raises(ConfigError, match="cannot be loaded"):
        make_generator(settings(tmp_path))


def test_sampling_becomes_generate_arguments(request_for: MakeRequest) -> None:
    assert sampling_arguments(request_for()) == {
        "max_new_tokens": 12, "repetition_penalty": 1.0, "do_sample": False
    }  # fmt: skip
    warm = sampling_arguments(request_for(sampling=Sampling(5, 0.7, 0.9, 1.2)))
    assert (warm["do_sample"], warm["temperature"], warm["top_p"], warm["repetition_penalty"]) == (True, 0.7, 0.9, 1.2)


class ChatModel:
    """Has the `chat` method of MiniCPM's own code."""

    def __init__(self) -> None:
        self.arguments: dict[str, Any] = {}

    def chat(self, **arguments: Any) -> Iterator[str]:
        self.arguments = arguments
        yield from ("A ", "red ", "ball.")


TOKENIZER = SimpleNamespace(encode=lambda text, add_special_tokens: text.split())


async def test_minicpm_uses_chat_method(request_for: MakeRequest, chunks: list[ChunkInput]) -> None:
    model = ChatModel()
    generator = VlmGenerator(MiniCpmBackend(model, TOKENIZER), "minicpm")
    request = request_for(system_prompt="Be brief.", sampling=Sampling(9, 0.5, 0.8, 1.1))
    deltas = await collect(generator.generate(request, chunks))
    await generator.close()
    assert "".join(d.text for d in deltas) == "A red ball."
    assert sum(d.n_tokens for d in deltas) == 3
    system, user = model.arguments["msgs"]
    assert system == {"role": "system", "content": ["Be brief."]}
    assert user["content"][-1] == request.prompt
    assert [image.size for image in user["content"][:-1]] == [(44, 30)] * 12
    wanted = {"stream": True, "enable_thinking": False, "max_new_tokens": 9, "sampling": True, "temperature": 0.5}
    assert {key: model.arguments[key] for key in wanted} == wanted
    assert (model.arguments["max_slice_nums"], model.arguments["max_inp_length"]) == (1, 8192)


async def test_minicpm_keeps_its_image_budget(request_for: MakeRequest, chunks: list[ChunkInput]) -> None:
    model = ChatModel()
    generator = VlmGenerator(MiniCpmBackend(model, TOKENIZER, image_slices=3, max_input_tokens=4352), "minicpm")
    await collect(generator.generate(request_for(), chunks))
    await generator.close()
    assert (model.arguments["max_slice_nums"], model.arguments["max_inp_length"]) == (3, 4352)


@pytest.mark.parametrize("as_object", [True, False])
def test_awq_config_is_repaired(as_object: bool) -> None:
    values = {"quant_method": "awq", "modules_to_not_convert": None}
    quantization = SimpleNamespace(**values) if as_object else values
    config = SimpleNamespace(quantization_config=quantization)
    assert repair_quantization(config, torch.bfloat16) == torch.float16
    repaired = vars(quantization) if as_object else values
    assert "vpm" in repaired["modules_to_not_convert"]
    assert repair_quantization(SimpleNamespace(), torch.bfloat16) == torch.bfloat16
    given = {"quant_method": "awq", "modules_to_not_convert": ["mine"]}
    repair_quantization(SimpleNamespace(quantization_config=given), torch.bfloat16)
    assert given["modules_to_not_convert"] == ["mine"]
