"""The store of prompt prefixes."""

from __future__ import annotations

import torch

from mobile_videogpt.engine import LanguageEngine, PromptSegment
from mobile_videogpt.generation import PromptRequest
from mobile_videogpt.modeling import MobileVideoGPT
from tests.unit.model.builders import WIDTH, chunk, stats_of, text_of


def test_reused_prefix_gives_same_reply(text_model: MobileVideoGPT) -> None:
    model = text_model
    model.clear_prefixes()
    first = list(model.generate([chunk(6)], "How deep?", max_new_tokens=20))
    again = list(model.generate([chunk(6)], "How deep?", max_new_tokens=20))
    other = list(model.generate([chunk(7)], "How deep?", max_new_tokens=20))
    model.clear_prefixes()
    fresh = list(model.generate([chunk(7)], "How deep?", max_new_tokens=20))
    assert text_of(first) == text_of(again)
    assert text_of(other) == text_of(fresh)
    assert text_of(other) != text_of(first)
    suffix = len(text_model.text_generator.segments(PromptRequest([chunk(6)], "How deep?"))[-1].embeds[0])
    reused = [stats_of(d).reused_prompt_tokens for d in (first, again, other, fresh)]
    prompt = stats_of(first).prompt_tokens
    assert reused == [0, prompt - suffix, prompt - suffix - 160, 0]


def test_prefix_store_stays_within_budget(text_model: MobileVideoGPT) -> None:
    budget = 2_000_000
    engine = LanguageEngine(text_model.require_language(), prefix_budget_bytes=budget)
    tail = engine.embed([1])
    for n in range(6):
        engine.prefill([PromptSegment(n, torch.randn(1, 200, WIDTH)), PromptSegment("tail", tail)])
    # 200 tokens x 3 layers x 2 x 2 heads x 32 x 4 bytes = 307 200 bytes each.
    assert engine.prefixes.size_bytes == 6 * 307_200
    engine.prefill([PromptSegment("new", torch.randn(1, 200, WIDTH)), PromptSegment("tail", tail)])
    assert engine.prefixes.size_bytes <= budget
    assert engine.prefixes.longest([0])[0] == 0
    assert engine.prefixes.longest(["new"])[0] == 1
