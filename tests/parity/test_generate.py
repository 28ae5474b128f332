"""Greedy ids and every step's logits against the reference: 16 frames through the whole model, and text alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from mobile_videogpt.decoding import ReplySettings
from mobile_videogpt.engine import PromptSegment
from mobile_videogpt.modeling import MobileVideoGPT
from tests.parity.golden import Golden

LOGITS_ATOL = 1e-3


def video_prompt(model: MobileVideoGPT, golden: Golden) -> list[PromptSegment]:
    """The reference's prompt: ids, 2402 visual tokens, ids."""
    arrays, engine = golden.arrays("generate"), model.text_generator.engine
    visual = model.encode_clip(golden.frames("input:video16")).merged()
    prefix, suffix = (engine.embed(arrays[name].tolist()) for name in ("prefix_ids", "suffix_ids"))
    return [PromptSegment("prefix", prefix), PromptSegment("visual", visual), PromptSegment("suffix", suffix)]


def text_prompt(model: MobileVideoGPT, golden: Golden) -> list[PromptSegment]:
    return [PromptSegment("text", model.text_generator.engine.embed(golden.arrays("generate")["text_ids"].tolist()))]


def greedy(model: MobileVideoGPT, prompt: list[PromptSegment], steps: int) -> list[int]:
    embeds = torch.cat([segment.embeds for segment in prompt], dim=1)
    deltas = model.text_generator.continue_embeds(embeds, ReplySettings(max_new_tokens=steps))
    return [i for delta in deltas for i in delta.token_ids]


def step_logits(model: MobileVideoGPT, prompt: list[PromptSegment], ids: list[int]) -> Tensor:
    """Logits before each of `ids`, which are fed one by one behind the prompt."""
    engine = model.text_generator.engine
    prefilled = engine.prefill(prompt, reserve_tokens=len(ids))
    rows = [engine.logits(prefilled.hidden)]
    rows += [engine.logits(engine.extend(prefilled.cache, engine.embed([i]))) for i in ids[:-1]]
    return torch.stack(rows)


@pytest.mark.parametrize(("kind", "prefix"), [("video", ""), ("text", "text_")])
def test_greedy_ids_equal_reference(model: MobileVideoGPT, golden: Golden, kind: str, prefix: str) -> None:
    wanted = golden.arrays("generate")[f"{prefix}new_ids"].tolist()
    prompt = video_prompt(model, golden) if kind == "video" else text_prompt(model, golden)
    assert greedy(model, prompt, len(wanted)) == wanted


@pytest.mark.parametrize(("kind", "prefix"), [("video", ""), ("text", "text_")])
def test_step_logits_equal_reference(model: MobileVideoGPT, golden: Golden, kind: str, prefix: str) -> None:
    arrays = golden.arrays("generate")
    prompt = video_prompt(model, golden) if kind == "video" else text_prompt(model, golden)
    found = step_logits(model, prompt, arrays[f"{prefix}new_ids"].tolist())
    np.testing.assert_allclose(found.numpy(), arrays[f"{prefix}step_logits"], rtol=0, atol=LOGITS_ATOL)


def test_prompt_and_first_logits_equal_reference(model: MobileVideoGPT, golden: Golden) -> None:
    arrays, engine = golden.arrays("generate"), model.text_generator.engine
    model.clear_prefixes()
    prefilled = engine.prefill(video_prompt(model, golden))
    assert prefilled.prompt_tokens == int(arrays["prompt_len"][0])
    assert prefilled.prompt_tokens - 21 == int(arrays["n_visual_tokens"][0])
    # Read a second time, all but the nine ids behind the video come from the store.
    again = engine.prefill(video_prompt(model, golden))
    assert (prefilled.reused_tokens, again.reused_tokens) == (0, prefilled.prompt_tokens - 9)
    for hidden in (prefilled.hidden, again.hidden):
        logits = engine.logits(hidden).numpy()
        np.testing.assert_allclose(logits, arrays["first_logits"], rtol=0, atol=LOGITS_ATOL)


@pytest.mark.parametrize(("kind", "emptied"), [("video", slice(-98, None)), ("context", slice(0, -98))])
def test_first_logits_depend_on_visual_tokens(model: MobileVideoGPT, golden: Golden, kind: str, emptied: slice) -> None:
    engine, wanted = model.text_generator.engine, golden.arrays("generate")["first_logits"]
    prefix, visual, suffix = video_prompt(model, golden)
    without = visual.embeds.clone()
    without[:, emptied] = 0
    hidden = engine.prefill([prefix, PromptSegment(f"no {kind}", without), suffix]).hidden
    change = np.abs(engine.logits(hidden).numpy() - wanted).max()
    assert change == pytest.approx(golden.info[f"first_logits_max_change_without_{kind}_tokens"], abs=LOGITS_ATOL)
