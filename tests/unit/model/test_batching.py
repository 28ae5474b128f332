"""Continuous batching gives each request its own reply."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from mobile_videogpt.batching import BatchDecoder
from mobile_videogpt.decoding import ReplySettings, SamplingSettings
from mobile_videogpt.generation import PromptRequest
from mobile_videogpt.modeling import MobileVideoGPT
from tests.unit.model.builders import PROMPTS, chunk, text_of


def test_batched_replies_follow_their_actions(action_model: MobileVideoGPT) -> None:
    asked = [
        PromptRequest([chunk(1)], "Depth?", action=action, settings=ReplySettings(max_new_tokens=9))
        for action in ("feedback", "correct", None)
    ]
    texts = ["", "", ""]
    for number, delta in action_model.generate_batch(asked):
        texts[number] += delta.text
    assert texts == [
        text_of(list(action_model.generate(r.chunks, r.prompt, action=r.action, max_new_tokens=9))) for r in asked
    ]
    assert len(set(texts)) == 3


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


def test_batched_replies_equal_single_ones(text_model: MobileVideoGPT) -> None:
    asked = requests()
    expected = [alone(text_model, request) for request in asked]
    texts, ids = [""] * 16, [list[int]() for _ in asked]
    order = []
    for number, delta in text_model.generate_batch(asked):
        texts[number] += delta.text
        ids[number] += delta.token_ids
        order.append(number)
    assert list(zip(texts, ids, strict=True)) == expected
    assert order != sorted(order)  # side by side, not one after the other
    assert len({len(i) for i in ids}) > 4


def test_threaded_replies_equal_single_ones(text_model: MobileVideoGPT) -> None:
    asked = requests()
    expected = [alone(text_model, request) for request in asked]
    text_model.clear_prefixes()
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda request: alone(text_model, request), asked))
    assert found == expected


def test_cancelled_request_leaves_batch(text_model: MobileVideoGPT) -> None:
    cancel = threading.Event()
    asked = [replace(r, settings=ReplySettings(max_new_tokens=12)) for r in requests()[:3]]
    expected = [alone(text_model, request)[1] for request in asked]
    decoder = BatchDecoder(text_model.text_generator)
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
