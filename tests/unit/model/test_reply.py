"""One reply: its deltas, why it ends, its times."""

from __future__ import annotations

import pytest
import torch

from mobile_videogpt import generation as generation_module
from mobile_videogpt.decoding import SamplingSettings
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.tokenizer import tiny_tokenizer
from tests.unit.model.builders import chunk, stats_of, text_of


class Script:
    """A sampler that says what the test wrote, whatever the logits."""

    ids: tuple[int, ...] = ()

    def __init__(self, _: SamplingSettings) -> None:
        self._left = iter(self.ids)

    def pick(self, _: torch.Tensor) -> int:
        return next(self._left)


def script_reply(monkeypatch: pytest.MonkeyPatch, text: str) -> list[int]:
    tokenizer = tiny_tokenizer()
    ids = [*tokenizer.encode_plain(text), tokenizer.id_of("<|im_end|>") or 0]
    monkeypatch.setattr(generation_module, "TokenSampler", type("ScriptedSampler", (Script,), {"ids": tuple(ids)}))
    return ids[:-1]


@pytest.mark.parametrize("text", ["Up! 🏋️‍♀️ good", "膝を前に 🇫🇮 naïve", "e\u0301", "plain"])
def test_multi_byte_text_arrives_whole(text_model: MobileVideoGPT, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    ids = script_reply(monkeypatch, text)
    deltas = list(text_model.generate([], "?", max_new_tokens=99))
    assert tiny_tokenizer().decode(ids) == text_of(deltas)
    assert all("\ufffd" not in delta.text for delta in deltas)
    assert [i for delta in deltas for i in delta.token_ids] == ids
    assert stats_of(deltas).stop_reason == "stop_token"
    assert stats_of(deltas).new_tokens == len(ids)


def test_stop_string_ends_reply_before_it(text_model: MobileVideoGPT, monkeypatch: pytest.MonkeyPatch) -> None:
    script_reply(monkeypatch, "Lower the hips. STOP and more")
    deltas = list(text_model.generate([], "?", max_new_tokens=99, stop=("STOP", "never")))
    assert text_of(deltas) == "Lower the hips. "
    assert stats_of(deltas).stop_reason == "stop_string"


def test_length_limit_releases_held_text(text_model: MobileVideoGPT, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = script_reply(monkeypatch, "hips 🏋")
    deltas = list(text_model.generate([], "?", max_new_tokens=len(ids) - 1, stop=("hips!",)))
    assert text_of(deltas) == "hips \ufffd"
    assert stats_of(deltas).stop_reason == "length"
    assert stats_of(deltas).new_tokens == len(ids) - 1


def test_stats_have_ttft_and_prompt_size(text_model: MobileVideoGPT) -> None:
    deltas = list(text_model.generate([chunk(1)], "?", max_new_tokens=30))
    stats = stats_of(deltas)
    assert stats.ttft_s is not None
    assert 0 < stats.ttft_s < stats.total_s
    assert stats.prompt_tokens == text_model.assemble([chunk(1)], "?").shape[1]
