"""The tokenizer: bytes, special tokens, training, files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoTokenizer, Qwen2Tokenizer

from mobile_videogpt.errors import CheckpointError
from mobile_videogpt.prompts import (
    IMAGE,
)
from mobile_videogpt.special_tokens import ACTION_TOKENS, CHAT_TOKENS
from mobile_videogpt.tokenizer import ChatTokenizer, tiny_tokenizer

TINY = tiny_tokenizer()


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=60))
def test_any_text_round_trips(text: str) -> None:
    normal = Tokenizer.from_str(TINY.backend.to_str()).normalizer.normalize_str(text)
    assert TINY.decode(TINY.encode_plain(text)) == normal


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, len(TINY) - 1), max_size=30))
def test_decoding_equals_library(ids: list[int]) -> None:
    assert TINY.decode(ids) == TINY.backend.decode(ids, skip_special_tokens=True)


def test_special_tokens_are_single_ids() -> None:
    for token in (*CHAT_TOKENS, *ACTION_TOKENS):
        assert TINY.encode(token) == [TINY.id_of(token)]
        assert TINY.token_bytes(TINY.encode(token)[0]) == b""
    assert TINY.stop_ids == {TINY.id_of("<|im_end|>"), TINY.id_of("<|endoftext|>")}
    assert list(TINY.action_ids) == list(ACTION_TOKENS)
    assert max(TINY.action_ids.values()) == len(TINY) - 1


def test_training_is_sized_and_repeatable() -> None:
    texts = ["squat deeper, squat slower", "push the knees out"] * 4
    first, second = ChatTokenizer.train(texts, 280), ChatTokenizer.train(texts, 280)
    assert len(first) == 280
    assert first.backend.to_str() == second.backend.to_str()
    assert len(first.encode("squat")) < len("squat")
    with pytest.raises(ValueError, match="need at least 262"):
        ChatTokenizer.train(texts, 100)


def test_known_token_keeps_its_id() -> None:
    more = TINY.with_tokens(["<feedback>", "<pause>"])
    assert more.id_of("<feedback>") == TINY.id_of("<feedback>")
    assert more.id_of("<pause>") == len(TINY)
    assert TINY.id_of("<pause>") is None


def test_saved_tokenizer_loads_in_transformers(tmp_path: Path) -> None:
    text = "Keep your back straight — 🏋️ naïve"
    TINY.save(tmp_path)
    again = ChatTokenizer.from_folder(tmp_path)
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    assert again.encode(text) == TINY.encode(text) == theirs.encode(text, add_special_tokens=False)
    assert theirs.eos_token_id == TINY.id_of("<|im_end|>")


def test_vocab_and_merges_equal_transformers(tmp_path: Path) -> None:
    state = json.loads(TINY.backend.to_str())
    vocab = {t: i for t, i in state["model"]["vocab"].items() if t not in CHAT_TOKENS}
    order = {t: n for n, t in enumerate(sorted(vocab, key=vocab.__getitem__))}
    (tmp_path / "vocab.json").write_text(json.dumps(order), encoding="utf-8")
    merges = "\n".join(" ".join(pair) for pair in state["model"]["merges"])
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + merges + "\n", encoding="utf-8")
    added = {token: len(order) + n for n, token in enumerate((*CHAT_TOKENS, IMAGE))}
    (tmp_path / "added_tokens.json").write_text(json.dumps(added), encoding="utf-8")
    ours = ChatTokenizer.from_folder(tmp_path)
    theirs = Qwen2Tokenizer.from_pretrained(tmp_path)
    text = "It's 2021!  \n\nWhat's   up?\r\n<|im_start|>don't é"
    assert {t: ours.id_of(t) for t in added} == added
    assert ours.encode(text) == theirs.encode(text, add_special_tokens=False)


def test_folder_without_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"neither tokenizer.json nor vocab.json"):
        ChatTokenizer.from_folder(tmp_path)
    (tmp_path / "tokenizer.json").write_text(
        json.dumps({**json.loads(TINY.backend.to_str()), "added_tokens": []}).replace("<|im_end|>", "<|stop|>"),
        encoding="utf-8",
    )
    with pytest.raises(CheckpointError, match="im_end"):
        ChatTokenizer.from_folder(tmp_path)
