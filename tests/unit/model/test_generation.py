"""Replies to prompts about chunks: deltas, prompts, actions, cancellation, threads."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from mobile_videogpt.cache import KeyValueCache
from mobile_videogpt.config import MobileVideoGPTConfig, StreamConfig
from mobile_videogpt.decoding import ReplySettings
from mobile_videogpt.engine import LanguageEngine, Prefilled, PromptSegment
from mobile_videogpt.errors import ReplyError
from mobile_videogpt.generation import PromptRequest
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.prompts import chat_prompt
from mobile_videogpt.tokens import Tokens
from tests.unit.model.builders import IMAGE_TOKENS, PROMPTS, VIDEO_TOKENS, chunk, random_text_model, stats_of, text_of


@pytest.fixture
def streaming_model() -> MobileVideoGPT:
    """One that also learnt to decide when to speak, by the newest two frames of four chunks."""
    model = random_text_model()
    model.config = replace(model.config, reply_action=True, stream=StreamConfig(frames=2, chunks=4))
    return model


def rolled(model: MobileVideoGPT, chunks: Sequence[Tokens], prompt: str) -> torch.Tensor:
    """Action logits [3] after the chunks in a context that rolls on, as the decider reads them."""
    session, actions = model.rolling_session(), model.text_generator.action_ids()
    assert model.tokenizer is not None
    session.feed_ids(model.tokenizer.encode(chat_prompt(prompt, system=model.config.system_prompt)))
    for number, one in enumerate(chunks):
        if number:
            session.feed_ids(actions[:1])
        session.feed(torch.cat([one.context[:, -2:].flatten(1, 2), one.video], dim=1))
    return session.logits_of(actions)


def test_action_logits_equal_first_token_logits(text_model: MobileVideoGPT) -> None:
    actions = text_model.action_logits([chunk(1)], "Speak?")
    with torch.inference_mode():
        full = text_model.require_language()(inputs_embeds=text_model.assemble([chunk(1)], "Speak?")).logits[0, -1]
    assert actions.dtype == torch.float32
    assert torch.allclose(actions, full[text_model.text_generator.action_ids()], atol=1e-4)
    assert text_model.text_generator.action_ids() == [381, 382, 383]


@pytest.mark.parametrize("chunks", [[], [chunk(1)]])
def test_action_token_opens_reply(action_model: MobileVideoGPT, chunks: list[Tokens]) -> None:
    plain = action_model.assemble(chunks, "Depth?")
    feedback, correct = (action_model.assemble(chunks, "Depth?", action=name) for name in ("feedback", "correct"))
    token = action_model.text_generator.engine.embed([action_model.text_generator.action_ids()[2]])
    assert torch.equal(correct, torch.cat((plain, token), dim=1))
    assert feedback.shape == correct.shape
    assert not torch.equal(feedback, correct)
    texts = [
        text_of(list(action_model.generate(chunks, "Depth?", action=a, max_new_tokens=9)))
        for a in ("feedback", "correct")
    ]
    assert texts[0] != texts[1]


def test_undecided_action_is_more_likely_one(streaming_model: MobileVideoGPT) -> None:
    chunks = [chunk(seed) for seed in range(1, 7)]
    for context in (chunks[:1], chunks[:3], chunks):
        _, feedback, correct = rolled(streaming_model, context[-4:], "Depth?").tolist()
        assert streaming_model.text_generator.choose_action(PromptRequest(context, "Depth?")) == (
            "correct" if correct > feedback else "feedback"
        )
    for wanted, offsets in (("feedback", (0.0, 99.0, 0.0)), ("correct", (99.0, 0.0, 50.0))):
        streaming_model.config = replace(
            streaming_model.config, stream=replace(streaming_model.config.stream, offsets=offsets)
        )
        asked = [list(streaming_model.generate(chunks, "Depth?", action=a, max_new_tokens=9)) for a in (None, wanted)]
        assert text_of(asked[0]) == text_of(asked[1])
        batch = streaming_model.generate_batch(
            [PromptRequest(chunks, "Depth?", settings=ReplySettings(max_new_tokens=9))]
        )
        assert text_of([delta for _, delta in batch]) == text_of(asked[1])


def test_untrained_action_is_not_chosen(action_model: MobileVideoGPT, streaming_model: MobileVideoGPT) -> None:
    assert streaming_model.text_generator.choose_action(PromptRequest([], "Depth?")) is None
    assert (
        streaming_model.text_generator.choose_action(PromptRequest([chunk(1)], "Depth?", action="correct")) == "correct"
    )
    assert action_model.text_generator.choose_action(PromptRequest([chunk(1)], "Depth?")) is None
    with pytest.raises(ReplyError, match="decides on 2 frames of each chunk, and one has 1"):
        streaming_model.generate([chunk(1, frames=1)], "Depth?")


def test_model_without_actions_ignores_action(text_model: MobileVideoGPT) -> None:
    assert torch.equal(text_model.assemble([], "?", action="correct"), text_model.assemble([], "?"))
    assert text_model.assemble([], "?", action="dance").shape == text_model.assemble([], "?").shape


def test_unknown_action_is_refused_by_name(action_model: MobileVideoGPT) -> None:
    with pytest.raises(ValueError, match=r"action 'dance' has no token .* it knows next, feedback, correct"):
        action_model.generate([chunk(1)], "?", action="dance")


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_streamed_text_equals_whole_text(text_model: MobileVideoGPT, prompt: str, temperature: float) -> None:
    options = {"max_new_tokens": 40, "temperature": temperature, "seed": 5}
    streamed = list(text_model.generate([chunk(1)], prompt, **options))
    (at_once,) = text_model.generate([chunk(1)], prompt, stream=False, **options)
    assert text_of(streamed) == at_once.text
    assert [i for delta in streamed for i in delta.token_ids] == list(at_once.token_ids)
    assert text_model.tokenizer is not None
    assert text_model.tokenizer.decode(at_once.token_ids) == at_once.text
    assert len(streamed) > 5
    assert stats_of(streamed).new_tokens == sum(delta.n_tokens for delta in streamed) == at_once.n_tokens


def test_greedy_reply_equals_recomputed_logits(text_model: MobileVideoGPT) -> None:
    chunks = [chunk(2)]
    deltas = list(text_model.generate(chunks, "Which?", max_new_tokens=12))
    embeds = text_model.assemble(chunks, "Which?")
    language = text_model.require_language()
    ids: list[int] = []
    with torch.inference_mode():
        for _ in range(12):
            logits = language(inputs_embeds=embeds).logits[0, -1]
            ids.append(int(logits.argmax()))
            embeds = torch.cat((embeds, language.model.embed_tokens(torch.tensor([[ids[-1]]]))), dim=1)
    assert [i for delta in deltas for i in delta.token_ids] == ids
    assert len(set(ids)) > 3


def test_other_prompt_gives_other_reply(text_model: MobileVideoGPT) -> None:
    first, second = (text_of(list(text_model.generate([chunk(1)], p, max_new_tokens=24))) for p in PROMPTS[:2])
    assert first != second
    other_system = list(text_model.generate([chunk(1)], PROMPTS[0], max_new_tokens=24, system_prompt="Be rude."))
    assert text_of(other_system) != first


def test_visual_tokens_join_prompt_halves(text_model: MobileVideoGPT) -> None:
    tokenizer = text_model.tokenizer
    assert tokenizer is not None
    tokens = chunk(4)
    embeds = text_model.assemble([tokens], "Depth?", system_prompt="S")
    engine = text_model.text_generator.engine
    head = engine.embed(tokenizer.encode("<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n"))
    tail = engine.embed(tokenizer.encode("\nDepth?<|im_end|>\n<|im_start|>assistant\n"))
    assert torch.equal(embeds, torch.cat((head, tokens.merged(), tail), dim=1))
    assert embeds.shape[1] - head.shape[1] - tail.shape[1] == 8 * IMAGE_TOKENS + VIDEO_TOKENS


def test_cancel_ends_reply_and_frees_states(text_model: MobileVideoGPT, monkeypatch: pytest.MonkeyPatch) -> None:
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
    for delta in text_model.generate([chunk(1)], "?", max_new_tokens=200, cancel=cancel):
        deltas.append(delta)
        if len(deltas) == 3:
            steps.clear()
            cancel.set()
    assert stats_of(deltas).stop_reason == "cancelled"
    assert len(deltas) == 4
    assert steps == []  # not one more forward pass
    gc.collect()
    assert caches[0]() is None


def test_cancelled_request_is_not_prefilled(text_model: MobileVideoGPT) -> None:
    cancel = threading.Event()
    cancel.set()
    (only,) = text_model.generate([chunk(1)], "?", cancel=cancel)
    assert only.stats is not None
    assert (only.stats.stop_reason, only.stats.prompt_tokens, only.stats.ttft_s) == ("cancelled", 0, None)


def test_inference_mode_stays_inside_generate(text_model: MobileVideoGPT) -> None:
    deltas = text_model.generate([], "?", max_new_tokens=5)
    next(deltas)
    assert not torch.is_inference_mode_enabled()
    assert torch.ones(1, requires_grad=True).mul(2).requires_grad


def test_invalid_request_fails_at_call(text_model: MobileVideoGPT) -> None:
    with pytest.raises(ReplyError, match="max_new_tokens is 0"):
        text_model.generate([], "?", max_new_tokens=0)
    with pytest.raises(ReplyError, match="temperature is -1"):
        text_model.generate([], "?", temperature=-1.0)
    with pytest.raises(ReplyError, match=r"exceed the model's 4096 positions"):
        text_model.generate([chunk(1)], "?", max_new_tokens=4000)
    narrow = Tokens(torch.zeros(1, 8, 4, 64), torch.zeros(1, 2, 64), torch.zeros(1, 1))
    with pytest.raises(ReplyError, match="64 wide but this language model reads 128"):
        text_model.generate([narrow], "?")
    without_tokenizer = MobileVideoGPT(MobileVideoGPTConfig.tiny(), "language")
    with pytest.raises(ReplyError, match="without a tokenizer"):
        without_tokenizer.generate([], "?")
    with pytest.raises(RuntimeError, match="vision half only"):
        MobileVideoGPT(MobileVideoGPTConfig.tiny(), "vision").generate([], "?")
