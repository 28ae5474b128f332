"""LoRA adapters: load, merge, unload, several at once, refused ones."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor

from mobile_videogpt.config import MobileVideoGPTConfig
from mobile_videogpt.errors import AdapterError, CheckpointError
from mobile_videogpt.generation import PromptRequest
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.tokenizer import tiny_tokenizer

# `train_adapter` calls PEFT as users do, which still reads a name that transformers has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

PROMPT = "How is the squat?"


REPLY = "Lower the hips."


TARGETS = ["q_proj", "v_proj", "up_proj", "down_proj"]


def train_adapter(model: MobileVideoGPT, folder: Path, reply: str = REPLY, **options: object) -> Path:
    """Twenty steps towards one reply, saved by PEFT as its users' training saves it."""
    torch.manual_seed(0)
    language = copy.deepcopy(model.require_language())
    settings = {"r": 4, "lora_alpha": 8, "target_modules": TARGETS, "task_type": "CAUSAL_LM", **options}
    peft = get_peft_model(language, LoraConfig(**settings))
    tokenizer = tiny_tokenizer()
    answer = [*tokenizer.encode(reply), tokenizer.id_of("<|im_end|>")]
    prompt = model.text_generator.segments(PromptRequest([], PROMPT))[0].name[1]  # type: ignore[index]
    ids = torch.tensor([[*prompt, *answer]])
    labels = ids.clone()
    labels[:, : len(prompt)] = -100
    optimizer = torch.optim.AdamW([p for p in peft.parameters() if p.requires_grad], lr=2e-2)
    for _ in range(20):
        loss = peft(input_ids=ids, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    peft.save_pretrained(folder, save_embedding_layers=False)
    return folder


def logits(model: MobileVideoGPT) -> Tensor:
    with torch.inference_mode():
        return model.require_language()(inputs_embeds=model.assemble([], PROMPT)).logits[0]


def reply_of(model: MobileVideoGPT) -> str:
    return "".join(delta.text for delta in model.generate([], PROMPT, max_new_tokens=20))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole tiny model on disk."""
    torch.manual_seed(1)
    model = MobileVideoGPT(MobileVideoGPTConfig.tiny())
    model.tokenizer = tiny_tokenizer()
    folder = tmp_path_factory.mktemp("base")
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = MobileVideoGPT.from_pretrained(base, "language", device="cpu")
    return train_adapter(model, tmp_path_factory.mktemp("adapter"))


def _rename(weights: dict[str, Tensor]) -> None:
    weights[_key(9, "A")] = weights.pop(_key(1, "A"))


def _widen(weights: dict[str, Tensor]) -> None:
    weights[_key(1, "A")] = torch.zeros(4, 130)


def _half(weights: dict[str, Tensor]) -> None:
    del weights[_key(1, "B")]


def _lose(weights: dict[str, Tensor]) -> None:
    del weights[_key(1, "A")], weights[_key(1, "B")]


def _stray(weights: dict[str, Tensor]) -> None:
    weights["base_model.model.model.audio.weight"] = torch.zeros(3)


def _key(layer: int, side: str) -> str:
    return f"base_model.model.model.layers.{layer}.self_attn.q_proj.lora_{side}.weight"


WRONG = {
    "a layer the model lacks": (_rename, r"unexpected: .*layers.9.self_attn.q_proj.lora_A"),
    "another width": (_widen, r"of another shape: model.layers.1.self_attn.q_proj \(A \[4, 130\]"),
    "half a pair": (_half, r"layers.1.self_attn.q_proj \(only one of lora_A and lora_B\)"),
    "a layer lost": (_lose, r"missing: model.layers.1.self_attn.q_proj\."),
    "something else in it": (_stray, r"unexpected: base_model.model.model.audio.weight"),
}


def test_adapter_loads_merges_and_unloads(base: Path, adapter: Path, tmp_path: Path) -> None:
    model = MobileVideoGPT.from_pretrained(base, "language", device="cpu")
    plain, state = logits(model), copy.deepcopy(model.state_dict())
    before = reply_of(model)
    model.lora.load(adapter)
    adapted = logits(model)
    assert not torch.allclose(adapted, plain, atol=0.5)
    assert reply_of(model) == REPLY != before

    model.lora.unload()
    assert model.lora.names == []
    assert model.state_dict().keys() == state.keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(logits(model), plain)
    assert reply_of(model) == before

    merged = MobileVideoGPT.from_pretrained(base, "language", device="cpu", lora=adapter)
    assert torch.equal(logits(merged), adapted)
    with pytest.raises(CheckpointError, match=r"adapters are loaded \(default\).*merge"):
        merged.save_pretrained(tmp_path)
    merged.lora.merge()
    assert merged.state_dict().keys() == state.keys()
    assert torch.allclose(logits(merged), adapted, atol=1e-4)
    assert reply_of(merged) == REPLY
    merged.save_pretrained(tmp_path)
    again = MobileVideoGPT.from_pretrained(tmp_path, "language", device="cpu")
    assert torch.equal(logits(again), logits(merged))


def test_activated_adapter_gives_its_reply(base: Path, adapter: Path, tmp_path: Path) -> None:
    model = MobileVideoGPT.from_pretrained(base, "all", device="cpu")
    other = train_adapter(model, tmp_path / "other", "Up!", target_modules=["o_proj", "q_proj"])
    alone = reply_of(MobileVideoGPT.from_pretrained(base, "language", device="cpu", lora=other))
    model = MobileVideoGPT.from_pretrained(base, device="cpu", lora={"squat": adapter, "up": other})
    assert (model.lora.names, model.lora.active) == (["squat", "up"], "up")
    assert reply_of(model) == alone != REPLY
    model.lora.activate("squat")
    assert reply_of(model) == REPLY
    model.lora.activate("up")
    assert reply_of(model) == alone
    with pytest.raises(AdapterError, match=r"no adapter is named 'down'; loaded are \['squat', 'up'\]"):
        model.lora.activate("down")
    with pytest.raises(AdapterError, match="named 'up' is loaded already"):
        model.lora.load(adapter, "up")


def test_trained_projectors_follow_their_adapter(base: Path, adapter: Path, tmp_path: Path) -> None:
    folder = tmp_path / "with-projector"
    folder.mkdir()
    for file in adapter.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    name = "model.mm_projector.mlp.mlp.0.bias"
    model = MobileVideoGPT.from_pretrained(base, device="cpu")
    old = model.published_state_dict()[name].clone()
    torch.save({f"base_model.model.{name}": old + 3}, folder / "non_lora_trainables.bin")
    model.lora.load(folder)
    parameter = model.require_vision().mm_projector.mlp.mlp[0].bias
    assert torch.equal(parameter, old + 3)
    model.lora.load(adapter, "without")
    assert torch.equal(parameter, old)
    model.lora.activate("default")
    assert torch.equal(parameter, old + 3)
    model.lora.unload()
    assert torch.equal(parameter, old)
    # The encoder loads the projector only, the generator the adapter only.
    vision = MobileVideoGPT.from_pretrained(base, "vision", device="cpu", lora=folder)
    assert torch.equal(vision.published_state_dict()[name], old + 3)
    vision.lora.merge()
    assert torch.equal(vision.published_state_dict()[name], old + 3)
    assert reply_of(MobileVideoGPT.from_pretrained(base, "language", device="cpu", lora=folder)) == REPLY
    with pytest.raises(AdapterError, match="changes the language half only"):
        MobileVideoGPT.from_pretrained(base, "vision", device="cpu", lora=adapter)
    torch.save({"base_model.model.model.mm_projector.mlp.mlp.9.bias": old}, folder / "non_lora_trainables.bin")
    with pytest.raises(AdapterError, match=r"model.mm_projector.mlp.mlp.9.bias"):
        MobileVideoGPT.from_pretrained(base, "vision", device="cpu", lora=folder)


def test_adapter_merges_into_int8_weights(base: Path, adapter: Path) -> None:
    model = MobileVideoGPT.from_pretrained(base, "language", device="cpu", lora=adapter, quantize="int8")
    assert reply_of(model) == REPLY
    assert model.lora.names == []


def test_system_prompt_follows_its_adapter(base: Path, adapter: Path, tmp_path: Path) -> None:
    for file in adapter.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    section = {"mobile_videogpt": {"system_prompt": "You are a coach."}}
    (tmp_path / "config.json").write_text(json.dumps(section), encoding="utf-8")
    model = MobileVideoGPT.from_pretrained(base, "language", device="cpu")
    plain = model.text_generator.system_prompt
    model.lora.load(tmp_path, "coach")
    assert model.text_generator.system_prompt == "You are a coach." != plain
    model.lora.load(adapter, "other")
    assert model.text_generator.system_prompt == plain
    model.lora.activate("coach")
    assert model.text_generator.system_prompt == "You are a coach."
    model.lora.unload()
    assert model.text_generator.system_prompt == plain


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_adapter_leaves_model_unchanged(base: Path, adapter: Path, tmp_path: Path, kind: str) -> None:
    change: Callable[[dict[str, Tensor]], None]
    change, message = WRONG[kind]
    weights = load_file(adapter / "adapter_model.safetensors")
    change(weights)
    save_file(weights, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_bytes((adapter / "adapter_config.json").read_bytes())
    model = MobileVideoGPT.from_pretrained(base, "language", device="cpu")
    names = set(model.state_dict())
    with pytest.raises(AdapterError, match=message):
        model.lora.load(tmp_path)
    assert set(model.state_dict()) == names
    assert model.lora.names == []


@pytest.mark.parametrize("text", ["{", "[1]", "null", '"LORA"', "[" * 100_000, '{"a": ' + "1" * 5000 + "}"])
@pytest.mark.parametrize("name", ["adapter_config.json", "config.json"])
def test_odd_adapter_files_are_named(base: Path, adapter: Path, tmp_path: Path, name: str, text: str) -> None:
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        (tmp_path / file).write_bytes((adapter / file).read_bytes())
    (tmp_path / name).write_text(text, encoding="utf-8")
    model = MobileVideoGPT.from_pretrained(base, "language", device="cpu")
    names = set(model.state_dict())
    with pytest.raises(AdapterError, match=rf"{name} (is not JSON|holds a)"):
        model.lora.load(tmp_path)
    assert set(model.state_dict()) == names


def test_adapter_of_other_model_is_refused(tmp_path: Path, adapter: Path) -> None:
    tiny = MobileVideoGPTConfig.tiny()
    deeper = MobileVideoGPT(replace(tiny, language=replace(tiny.language, depth=4)), "language")
    with pytest.raises(AdapterError, match=r"missing: model.layers.3"):
        deeper.lora.load(adapter)


def test_folder_without_adapter_is_refused(base: Path, adapter: Path, tmp_path: Path) -> None:
    model = MobileVideoGPT.from_pretrained(base, "language", device="cpu")
    with pytest.raises(AdapterError, match=r"no adapter_config.json"):
        model.lora.load(tmp_path)
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    (tmp_path / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(AdapterError, match="no weights"):
        model.lora.load(tmp_path)
    (tmp_path / "adapter_config.json").write_text(json.dumps({**config, "peft_type": "IA3"}), encoding="utf-8")
    with pytest.raises(AdapterError, match="peft_type 'IA3'"):
        model.lora.load(tmp_path)
    with pytest.raises(AdapterError, match="nothing to merge"):
        model.lora.merge()
