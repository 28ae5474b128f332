"""Action tokens in free or appended rows, and smaller weights on a CPU."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from mobile_videogpt import quantize as quantize_module
from mobile_videogpt.config import MobileVideoGPTConfig
from mobile_videogpt.errors import CheckpointError, QuantizationError, ReplyError
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.quantize import check_quantization, quantize_language
from mobile_videogpt.special_tokens import ACTION_TOKENS
from mobile_videogpt.tokenizer import ChatTokenizer, tiny_tokenizer
from mobile_videogpt.vocabulary import RELATED_WORDS, add_action_tokens, fit_rows


def actionless() -> ChatTokenizer:
    return ChatTokenizer.train(["wait continue next feedback comment say correct mistake wrong"], 300, action_tokens=())


def language_model(rows: int, tied: bool = True) -> MobileVideoGPT:
    tiny = MobileVideoGPTConfig.tiny()
    torch.manual_seed(0)
    language = replace(tiny.language, vocab_size=rows, tie_embeddings=tied)
    return MobileVideoGPT(replace(tiny, language=language), "language").eval()


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("free", [100, 3, 1, 0])
def test_action_tokens_take_free_rows_first_and_rows_are_never_lost(tied: bool, free: int) -> None:
    tokenizer = actionless()
    size = len(tokenizer)
    model = language_model(size + free, tied)
    language = model.require_language()
    old = language.model.embed_tokens.weight.detach().clone()
    old_head = language.lm_head.weight.detach().clone()
    extended = add_action_tokens(model, tokenizer)
    rows = max(size + free, size + 3)
    assert extended.action_ids == {token: size + n for n, token in enumerate(ACTION_TOKENS)}
    assert model.config.action_token_ids == (size, size + 1, size + 2)
    new, head = language.model.embed_tokens.weight, language.lm_head.weight
    assert new.shape == head.shape == (rows, 128)
    assert (head is new) == tied
    assert model.config.language.vocab_size == language.config.vocab_size == rows
    assert torch.equal(new[:size], old[:size])
    assert torch.equal(head[:size], old_head[:size])
    if free > 3:
        assert torch.equal(new[size + 3 : size + free], old[size + 3 :])
    assert language(input_ids=torch.tensor([[size + 2]])).logits.shape[-1] == rows


def test_a_new_row_is_near_the_words_it_stands_for_and_equals_no_other() -> None:
    tokenizer, model = actionless(), language_model(400)
    rows = {token: tokenizer.id_of(token) for token in ACTION_TOKENS}
    assert rows == dict.fromkeys(ACTION_TOKENS)
    extended = add_action_tokens(model, tokenizer)
    weight = model.require_language().model.embed_tokens.weight
    for token, row in extended.action_ids.items():
        ids = sorted({i for word in RELATED_WORDS[token] for i in tokenizer.encode_plain(word)})
        mean = weight[ids].mean(0)
        distance = (weight[row] - mean).norm() / weight[ids].std()
        assert 0 < distance < 0.02 * 128**0.5 * 1.5
    for one, two in itertools.combinations(extended.action_ids.values(), 2):
        assert not torch.equal(weight[one], weight[two])


def test_trained_action_tokens_keep_their_rows() -> None:
    tokenizer, model = tiny_tokenizer(), language_model(400)
    before = model.require_language().model.embed_tokens.weight.detach().clone()
    assert add_action_tokens(model, tokenizer).action_ids == tokenizer.action_ids
    assert torch.equal(model.require_language().model.embed_tokens.weight, before)
    assert model.config.action_token_ids == tuple(tokenizer.action_ids.values())


def test_a_tokenizer_that_fits_changes_nothing() -> None:
    model = language_model(2048)
    weight = model.require_language().model.embed_tokens.weight
    fit_rows(model, tiny_tokenizer())
    assert model.require_language().model.embed_tokens.weight is weight


def test_action_tokens_survive_saving(tmp_path: Path) -> None:
    model = language_model(300)
    model.tokenizer = actionless()
    with pytest.raises(ReplyError, match="action_tokens=True"):
        model.action_logits([], "?")
    model.tokenizer = add_action_tokens(model, model.tokenizer)
    logits = model.action_logits([], "?")
    model.save_pretrained(tmp_path)
    again = MobileVideoGPT.from_pretrained(tmp_path, "language", device="cpu")
    assert torch.equal(again.action_logits([], "?"), logits)
    assert again.config == model.config


def test_loading_can_add_action_tokens(tmp_path: Path) -> None:
    model = language_model(300)
    model.tokenizer = actionless()
    model.save_pretrained(tmp_path)
    again = MobileVideoGPT.from_pretrained(tmp_path, "language", device="cpu", action_tokens=True)
    assert again.action_logits([], "?").shape == (3,)
    assert again.config.language.vocab_size == 303


def test_quantization_that_this_machine_cannot_do_is_told_before_loading(tmp_path: Path) -> None:
    for kind in ("4bit", "8bit"):
        with pytest.raises(QuantizationError, match=f"'{kind}' is done by bitsandbytes on CUDA.*use quantize='int8'"):
            MobileVideoGPT.from_pretrained(tmp_path, quantize=kind, device="cpu")
    with pytest.raises(QuantizationError, match="'3bit'; use one of 4bit, 8bit, int8"):
        MobileVideoGPT.from_pretrained(tmp_path, quantize="3bit", device="cpu")
    with pytest.raises(QuantizationError, match="for the CPU, not cuda"):
        check_quantization("int8", torch.device("cuda"))


def test_a_missing_bitsandbytes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantize_module.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(QuantizationError, match=r"not installed: pip install 'cornerman\[quantize\]'"):
        check_quantization("4bit", torch.device("cuda"))


def test_int8_is_small_close_and_cannot_be_saved(talker: MobileVideoGPT, tmp_path: Path) -> None:
    model = copy.copy(talker)
    model.save_pretrained(tmp_path)
    small = MobileVideoGPT.from_pretrained(tmp_path, "language", device="cpu", quantize="int8")
    language = small.require_language()
    kinds = {type(m) for m in language.modules() if isinstance(m, nn.Linear)}
    assert nn.Linear not in kinds
    prompt = talker.assemble([], "How is it?")
    with torch.inference_mode():
        exact = talker.require_language()(inputs_embeds=prompt).logits[0, -1]
        close = language(inputs_embeds=prompt).logits[0, -1]
    assert torch.nn.functional.cosine_similarity(exact, close, dim=0) > 0.98
    assert not torch.equal(exact, close)
    assert sum(delta.n_tokens for delta in small.generate([], "How is it?", max_new_tokens=8)) > 2
    assert small.action_logits([], "?").shape == (3,)
    with pytest.raises(CheckpointError, match="quantized"):
        small.save_pretrained(tmp_path / "again")


def test_int8_takes_one_adapter_and_no_more(tmp_path: Path) -> None:
    with pytest.raises(QuantizationError, match="2 were given"):
        model = language_model(400)
        model.tokenizer = tiny_tokenizer()
        model.save_pretrained(tmp_path)
        MobileVideoGPT.from_pretrained(
            tmp_path, device="cpu", part="language", quantize="int8", lora={"a": "x", "b": "y"}
        )


def test_an_unmerged_adapter_is_not_quantized(talker: MobileVideoGPT) -> None:
    language = copy.deepcopy(talker.require_language())
    language.lora_probe = nn.Parameter(torch.zeros(1))
    with pytest.raises(QuantizationError, match="merge"):
        quantize_language(language, "int8", torch.device("cpu"))


def test_bfloat16_on_a_cpu_speaks(talker: MobileVideoGPT, tmp_path: Path) -> None:
    talker.save_pretrained(tmp_path)
    half = MobileVideoGPT.from_pretrained(tmp_path, "language", device="cpu", dtype=torch.bfloat16)
    assert sum(delta.n_tokens for delta in half.generate([], "How is it?", max_new_tokens=8)) > 2
