"""The language half as a plain Qwen2 checkpoint: loaded by transformers alone, with the logits of ours."""

from __future__ import annotations

import resource
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

from cornerman.cli import invoke
from mobile_videogpt.config import MobileVideoGPTConfig
from mobile_videogpt.errors import CheckpointError
from mobile_videogpt.export import export_language
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.prompts import EXERCISE_SYSTEM, chat_prompt
from mobile_videogpt.tokenizer import tiny_tokenizer
from tests.unit.model.test_lora import logits, train_adapter

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
PROMPT = "How is the squat?"
SPARE_ROWS = 16


def make(folder: Path, dtype: torch.dtype, tied: bool) -> Path:
    """A tiny model whose embedding has more rows than the tokenizer has tokens, as the published ones."""
    torch.manual_seed(5)
    tiny, tokenizer = MobileVideoGPTConfig.tiny(), tiny_tokenizer()
    language = replace(tiny.language, vocab_size=len(tokenizer) + SPARE_ROWS, tie_embeddings=tied)
    model = MobileVideoGPT(replace(tiny, language=language, system_prompt=EXERCISE_SYSTEM)).to(dtype)
    model.tokenizer = tokenizer
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_exported_logits_equal_ours(tmp_path: Path, dtype: torch.dtype, tied: bool) -> None:
    checkpoint = make(tmp_path / "ckpt", dtype, tied)
    assert invoke(["export-llm", str(checkpoint), "--out", str(tmp_path / "llm")]) == 0
    ours = MobileVideoGPT.from_pretrained(checkpoint, "language", device="cpu", dtype=dtype)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "llm", dtype="auto")
    assert (type(plain).__name__, plain.dtype, plain.config.model_type) == ("Qwen2ForCausalLM", dtype, "qwen2")
    embeds = ours.assemble([], PROMPT)
    with torch.inference_mode():
        wanted = ours.require_language()(inputs_embeds=embeds).logits
        assert torch.equal(plain(inputs_embeds=embeds).logits, wanted)
    assert wanted.shape[-1] == len(tiny_tokenizer()) + SPARE_ROWS, "the vocabulary keeps its rows"


def test_exported_tokenizer_writes_our_prompt(tmp_path: Path) -> None:
    checkpoint = make(tmp_path / "ckpt", torch.float32, True)
    assert invoke(["export-llm", str(checkpoint), "--out", str(tmp_path / "llm")]) == 0
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "llm")
    chat = [{"role": "user", "content": "\n" + PROMPT}]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert text == chat_prompt(PROMPT, system=EXERCISE_SYSTEM)
    assert tokenizer(text)["input_ids"] == tiny_tokenizer().encode(text)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "llm")
    ids = tokenizer(text, return_tensors="pt").input_ids
    reply = plain.generate(ids, max_new_tokens=8, do_sample=False)[0, ids.shape[1] :]
    ours = MobileVideoGPT.from_pretrained(checkpoint, "language", device="cpu")
    (whole,) = ours.generate([], PROMPT, max_new_tokens=8, stream=False)
    assert tokenizer.decode(reply, skip_special_tokens=True) == whole.text


def test_adapter_is_merged(tmp_path: Path) -> None:
    checkpoint = make(tmp_path / "ckpt", torch.float32, True)
    model = MobileVideoGPT.from_pretrained(checkpoint, "language", device="cpu")
    adapter = train_adapter(model, tmp_path / "lora.v1")
    out = tmp_path / "llm"
    assert invoke(["export-llm", str(checkpoint), "--out", str(out), "--adapter", f"{adapter}/"]) == 0
    model.lora.load(adapter)
    adapted = logits(model)
    model.lora.merge()
    embeds = model.assemble([], PROMPT)
    plain = AutoModelForCausalLM.from_pretrained(out)
    with torch.inference_mode():
        found = plain(inputs_embeds=embeds).logits[0]
        assert torch.equal(found, model.require_language()(inputs_embeds=embeds).logits[0])
    torch.testing.assert_close(found, adapted, atol=1e-4, rtol=1e-4)
    with safe_open(out / "model.safetensors", framework="pt") as file:
        assert not [name for name in file.keys() if "lora" in name]  # noqa: SIM118


def test_export_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = make(tmp_path / "ckpt", torch.float32, True)
    assert invoke(["export-llm", str(checkpoint), "--out", str(checkpoint)]) == 78
    assert "holds a config.json already" in " ".join(capsys.readouterr().err.split())
    model = MobileVideoGPT.from_pretrained(checkpoint, "language", device="cpu")
    model.lora.load(train_adapter(model, tmp_path / "lora"))
    with pytest.raises(CheckpointError, match=r"model\.lora\.merge"):
        export_language(model, tmp_path / "llm")


def test_full_disk_leaves_no_half_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file limit stands in for a disk: the weights do not fit, the config does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    out = tmp_path / "llm"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        assert invoke(["export-llm", "--out", str(out)]) == 78
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "cannot be written" in " ".join(capsys.readouterr().err.split())
    assert [one.name for one in out.iterdir()] == ["notes.txt"]
    assert invoke(["export-llm", "--out", str(out)]) == 0


def test_bundled_coach_is_exported(tmp_path: Path) -> None:
    assert invoke(["export-llm", "--out", str(tmp_path / "llm")]) == 0
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "llm").config.model_type == "qwen2"
