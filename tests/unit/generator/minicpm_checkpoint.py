"""A small model in the shape of MiniCPM-o 4.5: its own code, a Qwen3 language model, a vision part 4304 wide, AWQ.

The AWQ packing is written down from the published format: eight 4-bit values in each int32, in the order of the GEMM
kernels; one scale and one zero for each group of rows.
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

WIDTH: Final = 128
VISION_WIDTH: Final = 4304
GROUP: Final = 128
ROWS: Final = 264
ORDER: Final = (0, 2, 4, 6, 1, 3, 5, 7)

CONFIGURATION: Final = """
from transformers import PretrainedConfig

class MiniCPMOConfig(PretrainedConfig):
    model_type = "minicpmo"

    def __init__(self, llm=None, init_vision=True, init_audio=True, init_tts=True, **more):
        self.llm = llm or {}
        self.init_vision, self.init_audio, self.init_tts = init_vision, init_audio, init_tts
        super().__init__(**more)
"""

MODELING: Final = """
import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel, Qwen3Config, Qwen3ForCausalLM

from .configuration_minicpmo import MiniCPMOConfig


class Vision(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(128, 4304)
        self.fc2 = nn.Linear(4304, 128)

    def forward(self, pixels):
        return self.fc2(torch.tanh(self.fc1(pixels)))


class MiniCPMO(PreTrainedModel):
    config_class = MiniCPMOConfig

    def __init__(self, config):
        super().__init__(config)
        self.llm = Qwen3ForCausalLM(Qwen3Config(**config.llm))
        self.vpm = Vision() if config.init_vision else None
        assert not config.init_audio and not config.init_tts
        self.post_init()

    def chat(self, msgs, tokenizer, sampling, max_new_tokens, max_slice_nums, stream, **rest):
        assert stream and not sampling and rest["enable_thinking"] is False
        text, embeds = "", []
        for message in msgs:
            for part in message["content"]:
                if isinstance(part, str):
                    text += part
                    continue
                small = torch.from_numpy(np.asarray(part.resize((8, 8)), dtype="float32") / 255).flatten()[:128]
                embeds.append(self.vpm(small.to(self.vpm.fc1.weight))[None])
        ids = torch.tensor([tokenizer.encode(text)])
        embeds.append(self.llm.get_input_embeddings()(ids)[0])
        out = self.llm.generate(
            inputs_embeds=torch.cat(embeds)[None], max_new_tokens=max_new_tokens, do_sample=False
        )
        for token in out[0]:
            yield tokenizer.decode(token)
"""


def write_checkpoint(folder: Path, *, awq: bool) -> Qwen3ForCausalLM:
    """Writes the checkpoint; returns its language model, with the weights as the quantized ones stand for."""
    folder.mkdir(parents=True)
    (folder / "configuration_minicpmo.py").write_text(textwrap.dedent(CONFIGURATION), encoding="utf-8")
    (folder / "modeling_minicpmo.py").write_text(textwrap.dedent(MODELING), encoding="utf-8")
    tokenizer = _tokenizer()
    tokenizer.save_pretrained(folder)
    sizes: dict[str, Any] = {
        "vocab_size": ROWS, "hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 32, "tie_word_embeddings": False,
        "bos_token_id": None, "eos_token_id": None, "pad_token_id": 0,
    }  # fmt: skip
    torch.manual_seed(4)
    language = Qwen3ForCausalLM(Qwen3Config(**sizes)).eval()
    for parameter in language.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.3)
    state: dict[str, Tensor] = {
        "vpm.fc1.weight": torch.randn(VISION_WIDTH, WIDTH) * 0.2,
        "vpm.fc1.bias": torch.zeros(VISION_WIDTH),
        "vpm.fc2.weight": torch.randn(WIDTH, VISION_WIDTH) * 0.02,
        "vpm.fc2.bias": torch.zeros(WIDTH),
    }
    for name, module in language.named_modules():
        if awq and type(module) is nn.Linear and name != "lm_head":
            packed, meant = quantize(module.weight.detach())
            module.weight.data.copy_(meant)
            state |= {f"llm.{name}.{part}": tensor for part, tensor in packed.items()}
    quantized = {name.removeprefix("llm.").rpartition(".")[0] for name in state if name.endswith("qweight")}
    for name, tensor in language.state_dict().items():
        if name.removesuffix(".weight") not in quantized:
            state[f"llm.{name}"] = tensor
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / "model.safetensors")
    config: dict[str, Any] = {
        "model_type": "minicpmo", "architectures": ["MiniCPMO"], "llm": sizes, "dtype": "bfloat16",
        "auto_map": {"AutoConfig": "configuration_minicpmo.MiniCPMOConfig", "AutoModel": "modeling_minicpmo.MiniCPMO"},
    }  # fmt: skip
    if awq:
        # As published: nothing is said to be left unquantized.
        config["quantization_config"] = {
            "bits": 4, "group_size": GROUP, "modules_to_not_convert": None, "quant_method": "awq", "version": "gemm",
            "zero_point": True,
        }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return language


def quantize(weight: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """AWQ's three tensors of a weight [out, in], and the weight that they stand for."""
    rows = weight.T.reshape(-1, GROUP, weight.shape[0])  # [groups, GROUP, out]
    low, high = rows.amin(1), rows.amax(1)
    scales = ((high - low) / 15).clamp(min=1e-5).half().float()
    zeros = (-low / scales).round().clamp(0, 15)
    values = (rows / scales[:, None] + zeros[:, None]).round().clamp(0, 15)
    meant = ((values - zeros[:, None]) * scales[:, None]).reshape(-1, weight.shape[0]).T
    packed = {"qweight": pack(values.reshape(-1, weight.shape[0])), "qzeros": pack(zeros), "scales": scales.half()}
    return packed, meant


def pack(values: Tensor) -> Tensor:
    """[n, out] values of 4 bits -> int32 [n, out / 8]."""
    parts = values.to(torch.int64).reshape(values.shape[0], -1, 8)
    packed = sum(parts[..., place] << (4 * at) for at, place in enumerate(ORDER))
    assert isinstance(packed, Tensor)
    return torch.where(packed >= 2**31, packed - 2**32, packed).to(torch.int32)


def unpack(packed: Tensor) -> Tensor:
    """The inverse of `pack`."""
    parts = [(packed.to(torch.int64) >> (4 * ORDER.index(place))) & 15 for place in range(8)]
    return torch.stack(parts, -1).flatten(1)


class ReferenceAwqLinear(nn.Module):
    """A layer with AWQ weights that unpacks them at each call; takes the arguments of gptqmodel's kernels."""

    def __init__(self, *, in_features: int, out_features: int, group_size: int, bias: bool, **_: object) -> None:
        super().__init__()
        if in_features % group_size or out_features % 8:
            raise ValueError(f"in_features {in_features} is no multiple of group_size {group_size}")
        groups = in_features // group_size
        self.register_buffer("qweight", torch.zeros(in_features, out_features // 8, dtype=torch.int32))
        self.register_buffer("qzeros", torch.zeros(groups, out_features // 8, dtype=torch.int32))
        self.register_buffer("scales", torch.zeros(groups, out_features, dtype=torch.float16))
        self.register_buffer("bias", torch.zeros(out_features, dtype=torch.float16) if bias else None)
        self.group_size = group_size

    def forward(self, x: Tensor) -> Tensor:
        scales = self.scales.repeat_interleave(self.group_size, 0)
        zeros = unpack(self.qzeros).repeat_interleave(self.group_size, 0)
        product = x @ ((unpack(self.qweight) - zeros) * scales).to(x.dtype)
        return product if self.bias is None else product + self.bias


def _tokenizer() -> Any:
    bytes_ = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(["<pad>", "<think>", *bytes_])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>")
