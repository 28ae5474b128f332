"""Action tokens in free or appended rows."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch

from mobile_videogpt.errors import ReplyError
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.special_tokens import ACTION_TOKENS
from mobile_videogpt.tokenizer import ChatTokenizer, tiny_tokenizer
from mobile_videogpt.vocabulary import RELATED_WORDS, add_action_tokens, fit_rows
from tests.unit.model.builders import language_model


def actionless() -> ChatTokenizer:
    return ChatTokenizer.train(["wait continue next feedback comment say correct mistake wrong"], 300, action_tokens=())


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("free", [100, 3, 1, 0])
def test_action_tokens_take_free_rows_first(tied: bool, free: int) -> None:
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


def test_new_row_is_near_related_words() -> None:
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


def test_trained_action_tokens_keep_rows() -> None:
    tokenizer, model = tiny_tokenizer(), language_model(400)
    before = model.require_language().model.embed_tokens.weight.detach().clone()
    assert add_action_tokens(model, tokenizer).action_ids == tokenizer.action_ids
    assert torch.equal(model.require_language().model.embed_tokens.weight, before)
    assert model.config.action_token_ids == tuple(tokenizer.action_ids.values())


def test_fitting_tokenizer_changes_nothing() -> None:
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


def test_loading_adds_action_tokens(tmp_path: Path) -> None:
    model = language_model(300)
    model.tokenizer = actionless()
    model.save_pretrained(tmp_path)
    again = MobileVideoGPT.from_pretrained(tmp_path, "language", device="cpu", action_tokens=True)
    assert again.action_logits([], "?").shape == (3,)
    assert again.config.language.vocab_size == 303
