"""Judges of texts: points from a server become a share, and failures are named."""

from pathlib import Path

import httpx
import pytest

from cornerman_training.evaluate.judges import JudgeError, bert_score, llm_accuracy
from cornerman_training.evaluate.messages import SpokenFeedback
from cornerman_training.evaluate.report import MatchedFeedback

TRUTH = SpokenFeedback(1.0, "Go deeper.")
MATCHES = [MatchedFeedback(TRUTH, SpokenFeedback(1.2, text), None) for text in ("Sink lower.", "Nice.")]


def server(*answers: str) -> httpx.Client:
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/v1/chat/completions"
        return httpx.Response(200, json={"choices": [{"message": {"content": left.pop(0)}}]})

    return httpx.Client(transport=httpx.MockTransport(answer))


def test_four_points_count_as_pass() -> None:
    assert llm_accuracy(MATCHES, "http://judge/v1/", "m", server("5", "Points: 3")) == 0.5


def test_invalid_answer_is_named() -> None:
    with pytest.raises(JudgeError, match="a number from 1 to 5"):
        llm_accuracy(MATCHES, "http://judge/v1", "m", server("certainly!"))
    broken = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(500)))
    with pytest.raises(JudgeError, match="http://judge/v1"):
        llm_accuracy(MATCHES, "http://judge/v1", "m", broken)


def test_missing_encoder_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(JudgeError, match="no encoder model"):
        bert_score(MATCHES, tmp_path)
