"""Requests that follow from decisions and questions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import pytest

from cornerman_decider.core import Decider, Decision
from cornerman_decider.requests import (
    commentary_prompt,
    density,
    end_event,
    lost_event,
    open_request,
    picture_age_s,
    refusal,
    refused_event,
    request_for,
    request_for_question,
)
from cornerman_decider.state import DeciderState
from cornerman_decider.strategies.interval import IntervalStrategy
from cornerman_shared.bus.last_feedback import LastFeedback
from cornerman_shared.bus.messages import Features, MistakeSeen, MovementSeen, Question, Request
from cornerman_shared.errors import MalformedError
from cornerman_shared.settings.source import SourceSpec

MakeFeatures = Callable[..., Features]
SPEC = SourceSpec(source_id="cam", url="test://")


def decision_at(chunk: Features, prompt: str = "p") -> Decision:
    state = DeciderState(run="r1", prompt=prompt, strategy="interval")
    return Decider(SPEC.speak, IntervalStrategy(1.0)).decide(chunk, state, prompt=prompt)


def test_only_live_request_has_deadline(features: MakeFeatures) -> None:
    live, file = features(3), features(3, lossless=True)
    assert request_for(live, decision_at(live), SPEC, None, 100.0).deadline_at_s == 105.0
    assert request_for(file, decision_at(file), SPEC, None, 100.0).deadline_at_s == 0.0


def test_request_carries_chunk_times_and_sampling(features: MakeFeatures) -> None:
    chunk = features(3)
    request = request_for(chunk, decision_at(chunk), SPEC, None, 100.0)
    assert request.request_id == "cam:r1:3"
    assert (request.times.captured_at_s, request.times.decided_at_s) == (1.0, 100.0)
    assert request.prompt == SPEC.say.prompt
    assert request.sampling.max_new_tokens == SPEC.say.max_new_tokens


@pytest.mark.parametrize(
    ("last", "text"),
    [
        (LastFeedback("r1", "feedback", 10.0, "Good."), "Good."),
        (LastFeedback("r1", "correct", 10.0, "Knees out."), ""),
        (LastFeedback("r1", "feedback", 2.0, "Good."), ""),
        (LastFeedback("r0", "feedback", 10.0, "Good."), ""),
        (None, ""),
    ],
    ids=["within the window", "another action", "long ago", "another run", "nothing yet"],
)
def test_previous_text_needs_same_action_recently(features: MakeFeatures, last: LastFeedback | None, text: str) -> None:
    chunk = features(30, 15.0)
    assert request_for(chunk, decision_at(chunk), SPEC, last, 100.0).previous_text == text


@pytest.mark.parametrize(("window_s", "text"), [(10.0, "A dog runs."), (0.1, "A dog runs."), (0.0, "")])
def test_commentator_never_repeats_in_a_row(features: MakeFeatures, window_s: float, text: str) -> None:
    """A line came again after the repeat window, over a picture that had hardly changed."""
    speak = SPEC.speak.model_copy(update={"repeat_window_s": window_s})
    spec = SPEC.model_copy(update={"mode": "commentary", "speak": speak})
    chunk, last = features(300, 150.0), LastFeedback("r1", "feedback", 1.0, "A dog runs.")
    assert request_for(chunk, decision_at(chunk), spec, last, 100.0).previous_text == text


def test_commentary_prompt_has_last_comment(features: MakeFeatures) -> None:
    spec = SPEC.model_copy(update={"mode": "commentary"})
    chunk = features(30, 15.0)
    last = LastFeedback("r1", "feedback", 1.0, "A dog runs across the lawn.")
    prompt = request_for(chunk, decision_at(chunk), spec, last, 100.0).prompt
    assert spec.say.prompt in prompt
    assert last.text in prompt
    assert prompt.endswith("...")


def test_new_prompt_forgets_last_comment(features: MakeFeatures) -> None:
    spec = SPEC.model_copy(update={"mode": "commentary"})
    chunk = features(30, 15.0)
    last = LastFeedback("r1", "feedback", 14.0, "A dog runs across the lawn.")
    state = DeciderState(run="r1", prompt="old", strategy="interval")
    decision = Decider(SPEC.speak, IntervalStrategy(1.0)).decide(chunk, state, prompt="new")
    request = request_for(chunk, decision, spec, last, 100.0)
    assert last.text not in request.prompt
    assert request.previous_text == ""


@pytest.mark.parametrize(
    ("previous", "change", "wanted"),
    [
        ("", 0.0, "brief"),
        ("", 255.0, "normal"),
        ("Still there.", 14.9, "minimal"),
        ("Still there.", 15.0, "brief"),
        ("Still there.", 40.0, "normal"),
        ("x" * 39, 39.9, "brief"),
        ("x" * 40, 14.9, "brief"),
        ("x" * 40, 15.0, "normal"),
    ],
)
def test_small_change_asks_for_fewer_words(previous: str, change: float, wanted: str) -> None:
    assert density(previous, change) == wanted
    lengths = {"minimal": "few words", "brief": "one short sentence", "normal": "One or two"}
    assert lengths[wanted] in commentary_prompt("Describe.", previous, change)


@pytest.mark.parametrize(
    ("action", "reason", "names"),
    [
        ("correct", "lunge:leaning_sideways", ["leaning_sideways"]),
        ("correct", "lunge:leaning_forward", ["leaning_forward"]),
        ("correct", "instruction", ["leaning_forward", "leaning_sideways"]),
        ("feedback", "view", ["leaning_forward", "leaning_sideways"]),
    ],
)
def test_words_are_about_the_named_mistake(
    features: MakeFeatures, action: Literal["correct", "feedback"], reason: str, names: list[str]
) -> None:
    mistakes = [MistakeSeen(name, "trunk", 0.9, ("hips",)) for name in ("leaning_forward", "leaning_sideways")]
    about = MovementSeen("lunge", 0.9, 5, 0.0, True, tuple(mistakes), 1.0, "whole", (), (), "side", 1, "", ())
    chunk = features(3)
    decision = replace(decision_at(chunk), action=action, reason=reason, about=about)
    request = request_for(chunk, decision, SPEC, None, 100.0)
    assert request.about is not None
    assert [one.name for one in request.about.mistakes] == names


def test_question_uses_context_without_deadline(features: MakeFeatures) -> None:
    chunk = features(7)
    state = decision_at(chunk).state
    question = Question("u1", "cam", "What colour is it?", 50.0)
    assert state.latest is not None
    request = request_for_question(question, state, (state.latest,), SPEC.say, 60.0)
    assert (request.request_id, request.kind, request.prompt) == ("cam:q:u1", "question", question.text)
    assert (request.seq, request.pts_s, request.deadline_at_s) == (7, 3.5, 0.0)
    assert not request.owns_blobs
    assert request_for_question(question, DeciderState(), (), SPEC.say, 60.0).chunks == ()


QUESTION = Question("u1", "cam", "What colour is it?", 50.0)


def asked(features: MakeFeatures, now_s: float) -> Request:
    state = decision_at(features(7)).state
    assert state.latest is not None
    return request_for_question(QUESTION, state, (state.latest,), SPEC.say, now_s)


def test_requests_carry_their_pictures_age(features: MakeFeatures) -> None:
    assert asked(features, 61.0).picture_age_s == 60.0  # captured at 1
    made = request_for(features(7), decision_at(features(7)), SPEC, None, 3.5)
    assert (made.picture_age_s, open_request(made).picture_age_s) == (2.5, 2.5)
    assert end_event("cam", open_request(made), "expired", "late", 0, 9.0).picture_age_s == 2.5


def test_unknown_age_is_zero() -> None:
    assert (picture_age_s(0.0, 60.0), picture_age_s(60.5, 60.0)) == (0.0, 0.001)


def test_question_about_old_picture_is_refused(features: MakeFeatures) -> None:
    reason = refusal(asked(features, 62.0), SPEC, False, "stalled", "no frame for 10 s")
    assert reason == (
        "the newest picture of cam is 61 s old, more than speak.max_age_s = 30 (it is stalled: no frame for 10 s); "
        "ask again when it plays, or raise speak.max_age_s"
    )
    event = refused_event(asked(features, 62.0), reason, 62.0)
    assert (event.status, event.kind, event.cause, event.picture_age_s) == ("failed", "question", reason, 61.0)


def test_question_without_picture_is_refused() -> None:
    request = request_for_question(QUESTION, DeciderState(), (), SPEC.say, 60.0)
    assert refusal(request, SPEC, False, "opening", "") == (
        "there is no picture of cam yet (it is opening); ask again when it plays"
    )


@pytest.mark.parametrize(
    ("changes", "ended"),
    [
        ({}, True),
        ({"paused": True}, False),
        ({"watch": {"lossless": True}}, False),
        ({"speak": {"max_age_s": 0}}, False),
        ({"speak": {"max_age_s": 61}}, False),
    ],
    ids=["ended", "paused", "lossless", "never", "allowed"],
)
def test_old_picture_by_intention_is_answered(features: MakeFeatures, changes: dict[str, object], ended: bool) -> None:
    spec = SourceSpec.model_validate({"source_id": "cam", "url": "test://", **changes})
    assert refusal(asked(features, 62.0), spec, ended, "playing", "") == ""


def test_missing_chunk_is_decided_as_lost(features: MakeFeatures) -> None:
    event = lost_event(features(9), 8, "rules", 70.0)
    assert (event.seq, event.action, event.reason, event.status) == (8, "next", "lost", "expired")


def test_last_feedback_round_trips() -> None:
    last = LastFeedback("r", "correct", 0.0, "Knees out – both.")
    assert LastFeedback.read(last.to_bytes()) == last
    assert LastFeedback.read(None) is None
    with pytest.raises(MalformedError):
        LastFeedback.read(b"\x80")
