"""Text from video tokens: streaming, stopping, cancelling, batches, threads, prompt reuse."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from mobile_videogpt import generation as generation_module
from mobile_videogpt.batching import BatchDecoder
from mobile_videogpt.cache import KeyValueCache
from mobile_videogpt.config import MobileVideoGPTConfig
from mobile_videogpt.decoding import ReplySettings, SamplingSettings
from mobile_videogpt.engine import LanguageEngine, Prefilled, PromptSegment
from mobile_videogpt.errors import ReplyError
from mobile_videogpt.generation import PromptRequest
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.reply import GenerationStats, ReplyDelta
from mobile_videogpt.tokenizer import tiny_tokenizer
from mobile_videogpt.tokens import Tokens
from tests.unit.model.conftest import IMAGE_TOKENS, VIDEO_TOKENS, WIDTH, chunk, text_of

PROMPTS = ("How is my squat?", "下半身をもっと下げて 🏋️‍♀️", "naïve café — ça va?", "")


def stats_of(deltas: Sequence[ReplyDelta]) -> GenerationStats:
    stats = deltas[-1].stats
    assert stats is not None
    assert all(delta.stats is None for delta in deltas[:-1])
    return stats


class Script:
    """A sampler that says what the test wrote, whatever the logits."""

    ids: tuple[int, ...] = ()

    def __init__(self, _: SamplingSettings) -> None:
        self._left = iter(self.ids)

    def pick(self, _: torch.Tensor) -> int:
        return next(self._left)


def say(monkeypatch: pytest.MonkeyPatch, text: str) -> list[int]:
    tokenizer = tiny_tokenizer()
    ids = [*tokenizer.encode_plain(text), tokenizer.id_of("<|im_end|>") or 0]
    monkeypatch.setattr(generation_module, "TokenSampler", type("Said", (Script,), {"ids": tuple(ids)}))
    return ids[:-1]


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_streamed_text_equals_the_text_at_once(talker: MobileVideoGPT, prompt: str, temperature: float) -> None:
    options = {"max_new_tokens": 40, "temperature": temperature, "seed": 5}
    streamed = list(talker.generate([chunk(1)], prompt, **options))
    (at_once,) = talker.generate([chunk(1)], prompt, stream=False, **options)
    assert text_of(streamed) == at_once.text
    assert [i for delta in streamed for i in delta.token_ids] == list(at_once.token_ids)
    assert talker.tokenizer is not None
    assert talker.tokenizer.decode(at_once.token_ids) == at_once.text
    assert len(streamed) > 5
    assert stats_of(streamed).new_tokens == sum(delta.n_tokens for delta in streamed) == at_once.n_tokens


@pytest.mark.parametrize("said", ["Up! 🏋️‍♀️ good", "膝を前に 🇫🇮 naïve", "e\u0301", "plain"])
def test_emoji_and_multi_byte_text_arrives_whole(
    talker: MobileVideoGPT, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    ids = say(monkeypatch, said)
    deltas = list(talker.generate([], "?", max_new_tokens=99))
    assert tiny_tokenizer().decode(ids) == text_of(deltas)
    assert all("\ufffd" not in delta.text for delta in deltas)
    assert [i for delta in deltas for i in delta.token_ids] == ids
    assert stats_of(deltas).stop_reason == "stop_token"
    assert stats_of(deltas).new_tokens == len(ids)


def test_a_stop_string_ends_the_reply_before_it(talker: MobileVideoGPT, monkeypatch: pytest.MonkeyPatch) -> None:
    say(monkeypatch, "Lower the hips. STOP and more")
    deltas = list(talker.generate([], "?", max_new_tokens=99, stop=("STOP", "never")))
    assert text_of(deltas) == "Lower the hips. "
    assert stats_of(deltas).stop_reason == "stop_string"


def test_a_reply_cut_by_length_shows_what_was_held_back(
    talker: MobileVideoGPT, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = say(monkeypatch, "hips 🏋")
    deltas = list(talker.generate([], "?", max_new_tokens=len(ids) - 1, stop=("hips!",)))
    assert text_of(deltas) == "hips \ufffd"
    assert stats_of(deltas).stop_reason == "length"
    assert stats_of(deltas).new_tokens == len(ids) - 1


def test_greedy_reply_equals_choosing_from_full_recomputed_logits(talker: MobileVideoGPT) -> None:
    chunks = [chunk(2)]
    deltas = list(talker.generate(chunks, "Which?", max_new_tokens=12))
    embeds = talker.assemble(chunks, "Which?")
    language = talker.require_language()
    ids: list[int] = []
    with torch.inference_mode():
        for _ in range(12):
            logits = language(inputs_embeds=embeds).logits[0, -1]
            ids.append(int(logits.argmax()))
            embeds = torch.cat((embeds, language.model.embed_tokens(torch.tensor([[ids[-1]]]))), dim=1)
    assert [i for delta in deltas for i in delta.token_ids] == ids
    assert len(set(ids)) > 3


def test_prefill_asks_the_head_for_the_last_position_only(
    talker: MobileVideoGPT, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, ...]] = []
    hook = talker.require_language().lm_head.register_forward_hook(
        lambda _, inputs, __: asked.append(tuple(inputs[0].shape))
    )
    list(talker.generate([chunk(1)], "?", max_new_tokens=3))
    hook.remove()
    assert asked == [(1, WIDTH)] * 3


def test_the_prompt_is_in_the_prompt(talker: MobileVideoGPT) -> None:
    first, second = (text_of(list(talker.generate([chunk(1)], p, max_new_tokens=24))) for p in PROMPTS[:2])
    assert first != second
    other_system = list(talker.generate([chunk(1)], PROMPTS[0], max_new_tokens=24, system_prompt="Be rude."))
    assert text_of(other_system) != first


def test_visual_tokens_stand_between_the_halves_of_the_prompt(talker: MobileVideoGPT) -> None:
    tokenizer = talker.tokenizer
    assert tokenizer is not None
    tokens = chunk(4)
    embeds = talker.assemble([tokens], "Depth?", system_prompt="S")
    engine = talker.text_generator.engine
    head = engine.embed(tokenizer.encode("<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n"))
    tail = engine.embed(tokenizer.encode("\nDepth?<|im_end|>\n<|im_start|>assistant\n"))
    assert torch.equal(embeds, torch.cat((head, tokens.merged(), tail), dim=1))
    assert embeds.shape[1] - head.shape[1] - tail.shape[1] == 8 * IMAGE_TOKENS + VIDEO_TOKENS


def test_a_prompt_beginning_is_read_once_and_gives_the_same_words(talker: MobileVideoGPT) -> None:
    model = talker
    model.clear_prefixes()
    first = list(model.generate([chunk(6)], "How deep?", max_new_tokens=20))
    again = list(model.generate([chunk(6)], "How deep?", max_new_tokens=20))
    other = list(model.generate([chunk(7)], "How deep?", max_new_tokens=20))
    model.clear_prefixes()
    fresh = list(model.generate([chunk(7)], "How deep?", max_new_tokens=20))
    assert text_of(first) == text_of(again)
    assert text_of(other) == text_of(fresh)
    assert text_of(other) != text_of(first)
    suffix = len(talker.text_generator.segments(PromptRequest([chunk(6)], "How deep?"))[-1].embeds[0])
    reused = [stats_of(d).reused_prompt_tokens for d in (first, again, other, fresh)]
    prompt = stats_of(first).prompt_tokens
    assert reused == [0, prompt - suffix, prompt - suffix - 160, 0]


def test_the_prefix_store_keeps_within_its_budget(talker: MobileVideoGPT) -> None:
    budget = 2_000_000
    engine = LanguageEngine(talker.require_language(), prefix_budget_bytes=budget)
    tail = engine.embed([1])
    for n in range(6):
        engine.prefill([PromptSegment(n, torch.randn(1, 200, WIDTH)), PromptSegment("tail", tail)])
    # 200 tokens x 3 layers x 2 x 2 heads x 32 x 4 bytes = 307 200 bytes each.
    assert engine.prefixes.size_bytes == 6 * 307_200
    engine.prefill([PromptSegment("new", torch.randn(1, 200, WIDTH)), PromptSegment("tail", tail)])
    assert engine.prefixes.size_bytes <= budget
    assert engine.prefixes.longest([0])[0] == 0
    assert engine.prefixes.longest(["new"])[0] == 1


def test_cancelling_ends_within_one_token_and_frees_the_states(
    talker: MobileVideoGPT, monkeypatch: pytest.MonkeyPatch
) -> None:
    caches: list[weakref.ref[KeyValueCache]] = []
    steps: list[int] = []
    prefill, extend = LanguageEngine.prefill, LanguageEngine.extend

    def watched(self: LanguageEngine, pieces: Sequence[PromptSegment], reserve_tokens: int = 0) -> Prefilled:
        done = prefill(self, pieces, reserve_tokens)
        caches.append(weakref.ref(done.cache))
        return done

    def counted(self: LanguageEngine, cache: KeyValueCache, embeds: torch.Tensor) -> torch.Tensor:
        steps.append(embeds.shape[1])
        return extend(self, cache, embeds)

    monkeypatch.setattr(LanguageEngine, "prefill", watched)
    monkeypatch.setattr(LanguageEngine, "extend", counted)
    cancel = threading.Event()
    deltas = []
    for delta in talker.generate([chunk(1)], "?", max_new_tokens=200, cancel=cancel):
        deltas.append(delta)
        if len(deltas) == 3:
            steps.clear()
            cancel.set()
    assert stats_of(deltas).stop_reason == "cancelled"
    assert len(deltas) == 4
    assert steps == []  # not one more forward pass
    gc.collect()
    assert caches[0]() is None


def test_a_request_cancelled_before_it_began_reads_nothing(talker: MobileVideoGPT) -> None:
    cancel = threading.Event()
    cancel.set()
    (only,) = talker.generate([chunk(1)], "?", cancel=cancel)
    assert only.stats is not None
    assert (only.stats.stop_reason, only.stats.prompt_tokens, only.stats.ttft_s) == ("cancelled", 0, None)


def test_inference_mode_does_not_leak_into_the_callers_thread(talker: MobileVideoGPT) -> None:
    deltas = talker.generate([], "?", max_new_tokens=5)
    next(deltas)
    assert not torch.is_inference_mode_enabled()
    assert torch.ones(1, requires_grad=True).mul(2).requires_grad


def requests() -> list[PromptRequest]:
    """16 requests of different lengths, with and without video, ending at different times."""
    made = []
    for n in range(16):
        chunks = [chunk(n + m) for m in range(n % 3)]
        settings = ReplySettings(
            max_new_tokens=5 + 3 * n, sampling=SamplingSettings(temperature=1.0 if n % 4 == 3 else 0.0, seed=n)
        )
        made.append(PromptRequest(chunks, PROMPTS[n % 4] * (n % 5), settings=settings))
    return made


def alone(model: MobileVideoGPT, request: PromptRequest) -> tuple[str, list[int]]:
    settings = request.settings
    deltas = list(
        model.generate(
            request.chunks,
            request.prompt,
            max_new_tokens=settings.max_new_tokens,
            temperature=settings.sampling.temperature,
            seed=settings.sampling.seed,
        )
    )
    return text_of(deltas), [i for delta in deltas for i in delta.token_ids]


def test_sixteen_requests_batched_equal_sixteen_one_by_one(talker: MobileVideoGPT) -> None:
    asked = requests()
    expected = [alone(talker, request) for request in asked]
    texts, ids = [""] * 16, [list[int]() for _ in asked]
    order = []
    for number, delta in talker.generate_batch(asked):
        texts[number] += delta.text
        ids[number] += delta.token_ids
        order.append(number)
    assert list(zip(texts, ids, strict=True)) == expected
    assert order != sorted(order)  # side by side, not one after the other
    assert len({len(i) for i in ids}) > 4


def test_sixteen_threads_at_once_equal_sixteen_one_by_one(talker: MobileVideoGPT) -> None:
    asked = requests()
    expected = [alone(talker, request) for request in asked]
    talker.clear_prefixes()
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda request: alone(talker, request), asked))
    assert found == expected


def test_a_cancelled_request_leaves_the_batch_and_the_others_go_on(talker: MobileVideoGPT) -> None:
    cancel = threading.Event()
    asked = [replace(r, settings=ReplySettings(max_new_tokens=12)) for r in requests()[:3]]
    expected = [alone(talker, request)[1] for request in asked]
    decoder = BatchDecoder(talker.text_generator)
    ids: dict[str, list[int]] = {"0": [], "1": [], "2": []}
    for n, request in enumerate(asked):
        first = decoder.add(str(n), replace(request, cancel=cancel if n == 0 else None))
        ids[str(n)] += first.token_ids if first else ()
    for step in range(20):
        if step == 4:
            cancel.set()
        for key, delta in decoder.step():
            ids[str(key)] += delta.token_ids
            if key == "0" and delta.stats:
                assert (step, delta.stats.stop_reason) == (4, "cancelled")
                assert decoder.open_requests == 2
    assert ids["0"] == expected[0][: len(ids["0"])]
    assert len(ids["0"]) == 5
    assert [ids["1"], ids["2"]] == expected[1:]
    assert decoder.open_requests == 0


def test_time_to_first_token_is_before_the_end_and_counts_the_prompt(talker: MobileVideoGPT) -> None:
    deltas = list(talker.generate([chunk(1)], "?", max_new_tokens=30))
    stats = stats_of(deltas)
    assert stats.ttft_s is not None
    assert 0 < stats.ttft_s < stats.total_s
    assert stats.prompt_tokens == talker.assemble([chunk(1)], "?").shape[1]


def test_requests_that_cannot_be_met_are_told_at_the_call(talker: MobileVideoGPT) -> None:
    with pytest.raises(ReplyError, match="max_new_tokens is 0"):
        talker.generate([], "?", max_new_tokens=0)
    with pytest.raises(ReplyError, match="temperature is -1"):
        talker.generate([], "?", temperature=-1.0)
    with pytest.raises(ReplyError, match=r"exceed the model's 4096 positions"):
        talker.generate([chunk(1)], "?", max_new_tokens=4000)
    narrow = Tokens(torch.zeros(1, 8, 4, 64), torch.zeros(1, 2, 64), torch.zeros(1, 1))
    with pytest.raises(ReplyError, match="64 wide but this language model reads 128"):
        talker.generate([narrow], "?")
    silent = MobileVideoGPT(MobileVideoGPTConfig.tiny(), "language")
    with pytest.raises(ReplyError, match="without a tokenizer"):
        silent.generate([], "?")
    with pytest.raises(RuntimeError, match="vision half only"):
        MobileVideoGPT(MobileVideoGPTConfig.tiny(), "vision").generate([], "?")
