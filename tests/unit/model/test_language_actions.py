"""Action tokens: which one comes next, and replies that begin with the one that was decided on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mobile_videogpt.config import MobileVideoGPTConfig, StreamConfig
from mobile_videogpt.decoding import ReplySettings
from mobile_videogpt.errors import ReplyError
from mobile_videogpt.generation import PromptRequest
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.prompts import chat_prompt
from mobile_videogpt.tokens import Tokens
from tests.unit.model.conftest import chunk, speaking_model, text_of


def test_action_logits_are_those_of_the_first_token_of_a_reply(talker: MobileVideoGPT) -> None:
    actions = talker.action_logits([chunk(1)], "Speak?")
    with torch.inference_mode():
        full = talker.require_language()(inputs_embeds=talker.assemble([chunk(1)], "Speak?")).logits[0, -1]
    assert actions.dtype == torch.float32
    assert torch.allclose(actions, full[talker.text_generator.action_ids()], atol=1e-4)
    assert talker.text_generator.action_ids() == [381, 382, 383]


@pytest.fixture(scope="module")
def doer() -> MobileVideoGPT:
    """A talkative model whose replies begin with the action they carry out."""
    model = speaking_model()
    model.config = replace(model.config, reply_action=True)
    return model


@pytest.mark.parametrize("chunks", [[], [chunk(1)]])
def test_a_reply_to_an_action_begins_with_its_token(doer: MobileVideoGPT, chunks: list[Tokens]) -> None:
    plain = doer.assemble(chunks, "Depth?")
    feedback, correct = (doer.assemble(chunks, "Depth?", action=name) for name in ("feedback", "correct"))
    token = doer.text_generator.engine.embed([doer.text_generator.action_ids()[2]])
    assert torch.equal(correct, torch.cat((plain, token), dim=1))
    assert feedback.shape == correct.shape
    assert not torch.equal(feedback, correct)
    said = [text_of(list(doer.generate(chunks, "Depth?", action=a, max_new_tokens=9))) for a in ("feedback", "correct")]
    assert said[0] != said[1]


def test_the_batch_answers_to_the_action_too(doer: MobileVideoGPT) -> None:
    asked = [
        PromptRequest([chunk(1)], "Depth?", action=action, settings=ReplySettings(max_new_tokens=9))
        for action in ("feedback", "correct", None)
    ]
    texts = ["", "", ""]
    for number, delta in doer.generate_batch(asked):
        texts[number] += delta.text
    assert texts == [text_of(list(doer.generate(r.chunks, r.prompt, action=r.action, max_new_tokens=9))) for r in asked]
    assert len(set(texts)) == 3


@pytest.fixture
def judge() -> MobileVideoGPT:
    """One that also learnt to decide when to speak, by the newest two frames of four chunks."""
    model = speaking_model()
    model.config = replace(model.config, reply_action=True, stream=StreamConfig(frames=2, chunks=4))
    return model


def rolled(model: MobileVideoGPT, chunks: Sequence[Tokens], prompt: str) -> torch.Tensor:
    """Action logits [3] after the chunks in a context that rolls on, as the decider reads them."""
    session, actions = model.rolling_session(), model.text_generator.action_ids()
    assert model.tokenizer is not None
    session.feed_ids(model.tokenizer.encode(chat_prompt(prompt, system=model.config.system_prompt)))
    for number, seen in enumerate(chunks):
        if number:
            session.feed_ids(actions[:1])
        session.feed(torch.cat([seen.context[:, -2:].flatten(1, 2), seen.video], dim=1))
    return session.logits_of(actions)


def test_where_nobody_decided_the_model_chooses_the_action_of_its_reply(judge: MobileVideoGPT) -> None:
    chunks = [chunk(seed) for seed in range(1, 7)]
    for seen in (chunks[:1], chunks[:3], chunks):
        _, feedback, correct = rolled(judge, seen[-4:], "Depth?").tolist()
        assert judge.text_generator.choose_action(PromptRequest(seen, "Depth?")) == (
            "correct" if correct > feedback else "feedback"
        )
    for wanted, offsets in (("feedback", (0.0, 99.0, 0.0)), ("correct", (99.0, 0.0, 50.0))):
        judge.config = replace(judge.config, stream=replace(judge.config.stream, offsets=offsets))
        asked = [list(judge.generate(chunks, "Depth?", action=a, max_new_tokens=9)) for a in (None, wanted)]
        assert text_of(asked[0]) == text_of(asked[1])
        batch = judge.generate_batch([PromptRequest(chunks, "Depth?", settings=ReplySettings(max_new_tokens=9))])
        assert text_of([delta for _, delta in batch]) == text_of(asked[1])


def test_it_chooses_nothing_that_it_never_learnt(doer: MobileVideoGPT, judge: MobileVideoGPT) -> None:
    assert judge.text_generator.choose_action(PromptRequest([], "Depth?")) is None
    assert judge.text_generator.choose_action(PromptRequest([chunk(1)], "Depth?", action="correct")) == "correct"
    assert doer.text_generator.choose_action(PromptRequest([chunk(1)], "Depth?")) is None
    with pytest.raises(ReplyError, match="decides on 2 frames of each chunk, and one has 1"):
        judge.generate([chunk(1, frames=1)], "Depth?")


def test_a_model_that_answers_to_no_action_ignores_it(talker: MobileVideoGPT) -> None:
    assert torch.equal(talker.assemble([], "?", action="correct"), talker.assemble([], "?"))
    assert talker.assemble([], "?", action="dance").shape == talker.assemble([], "?").shape


def test_an_action_without_a_token_is_told_by_name(doer: MobileVideoGPT) -> None:
    with pytest.raises(ValueError, match=r"action 'dance' has no token .* it knows next, feedback, correct"):
        doer.generate([chunk(1)], "?", action="dance")


def test_whether_replies_begin_with_an_action_is_stored_with_the_model(doer: MobileVideoGPT, tmp_path: Path) -> None:
    doer.save_pretrained(tmp_path)
    again = MobileVideoGPT.from_pretrained(tmp_path, "language", device="cpu")
    assert again.config.reply_action
    assert torch.equal(again.assemble([], "?", action="correct"), doer.assemble([], "?", action="correct"))
    assert not MobileVideoGPTConfig.full_0_5b().reply_action
