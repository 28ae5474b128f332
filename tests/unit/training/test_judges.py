"""Outside judges: points from a server become a share, and whatever goes wrong is named."""

from pathlib import Path

import httpx
import pytest

from cornerman_training.evaluate.judges import JudgeError, bert_score, llm_accuracy
from cornerman_training.evaluate.messages import SpokenFeedback
from cornerman_training.evaluate.report import Met

MET = [Met(SpokenFeedback(1.0, "Go deeper."), SpokenFeedback(1.2, text), None) for text in ("Sink lower.", "Nice.")]


def server(*answers: str) -> httpx.Client:
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/v1/chat/completions"
        return httpx.Response(200, json={"choices": [{"message": {"content": left.pop(0)}}]})

    return httpx.Client(transport=httpx.MockTransport(answer))


def test_four_points_and_more_count() -> None:
    assert llm_accuracy(MET, "http://judge/v1/", "m", server("5", "Points: 3")) == 0.5


def test_nonsense_and_errors_are_named() -> None:
    with pytest.raises(JudgeError, match="a number from 1 to 5"):
        llm_accuracy(MET, "http://judge/v1", "m", server("certainly!"))
    broken = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(500)))
    with pytest.raises(JudgeError, match="http://judge/v1"):
        llm_accuracy(MET, "http://judge/v1", "m", broken)


def test_missing_encoder_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(JudgeError, match="no encoder model"):
        bert_score(MET, tmp_path)
