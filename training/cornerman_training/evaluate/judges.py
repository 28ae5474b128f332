"""Judges of feedback texts: a language model behind an OpenAI-compatible server, and BERTScore."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import httpx

from cornerman_training.evaluate.report import MatchedFeedback
from cornerman_training.evaluate.words import mean

_QUESTION = (
    "A coach should have said: {truth!r}\nA coach said: {said!r}\n"
    "Do both tell the athlete the same thing? Answer with one number from 1 (no) to 5 (yes, wholly), nothing else."
)
_PASS = 4


class JudgeError(Exception):
    """A judge cannot be reached, or its answer is invalid."""


def llm_accuracy(matches: Sequence[MatchedFeedback], url: str, model: str, client: httpx.Client | None = None) -> float:
    """Share of matched feedbacks that a language model gives at least 4 of 5 points.

    Args:
        matches: pairs of true and given feedbacks.
        url: of the server, up to and including `/v1`.
        model: its name there; the key, if one is needed, comes from OPENAI_API_KEY.
        client: for tests.

    Raises:
        JudgeError: if the server cannot be reached or its answer is not a number.
    """
    key = os.environ.get("OPENAI_API_KEY", "")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    points: list[float] = []
    with client or httpx.Client(timeout=60.0) as http:
        for pair in matches:
            question = _QUESTION.format(truth=pair.truth.text, said=pair.said.text)
            body = {"model": model, "temperature": 0, "messages": [{"role": "user", "content": question}]}
            try:
                reply = http.post(f"{url.rstrip('/')}/chat/completions", json=body, headers=headers)
                reply.raise_for_status()
                text = str(reply.json()["choices"][0]["message"]["content"])
            except (httpx.HTTPError, KeyError, IndexError, TypeError, ValueError) as error:
                raise JudgeError(
                    f"the judge at {url} did not answer as an OpenAI-compatible server ({error}); "
                    "check the address and the model's name, or leave the judge out"
                ) from error
            found = re.search(r"[1-5]", text)
            if found is None:
                raise JudgeError(f"the judge {model!r} answered {text!r:.80} where a number from 1 to 5 was asked")
            points.append(float(int(found.group()) >= _PASS))
    return mean(points)


def bert_score(matches: Sequence[MatchedFeedback], folder: Path) -> float:
    """Mean BERTScore F1 (Zhang et al. 2020): greedy cosine matching of token vectors, no rescaling.

    Args:
        matches: pairs of true and given feedbacks.
        folder: weights and tokenizer of an encoder model, on disk.

    Raises:
        JudgeError: if the folder has no such model.
    """
    import torch
    from transformers import AutoModel, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModel.from_pretrained(folder, local_files_only=True).eval()
    except (OSError, ValueError) as error:
        raise JudgeError(f"no encoder model in {folder} ({error}); give a folder with weights and tokenizer") from error

    def vectors(text: str) -> torch.Tensor:
        with torch.inference_mode():
            hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        out: torch.Tensor = torch.nn.functional.normalize(hidden, dim=-1)
        return out

    scores: list[float] = []
    for pair in matches:
        likeness = vectors(pair.said.text) @ vectors(pair.truth.text).T
        precision, recall = float(likeness.max(1).values.mean()), float(likeness.max(0).values.mean())
        scores.append(2 * precision * recall / max(precision + recall, 1e-9))
    return mean(scores)
