"""Sampling, and text that may be shown."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mobile_videogpt.decoding import SamplingSettings, TextStream, TokenSampler
from mobile_videogpt.errors import ReplyError
from mobile_videogpt.tokenizer import tiny_tokenizer

TINY = tiny_tokenizer()


def streamed(ids: list[int], stop: tuple[str, ...] = ()) -> tuple[list[str], bool]:
    stream = TextStream(TINY, stop)
    pieces = []
    for token in ids:
        pieces.append(stream.push(token))
        if stream.stopped:
            return pieces, True
    return [*pieces, stream.finish()], stream.stopped


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(0, len(TINY) - 1), max_size=40))
def test_pieces_join_to_decoded_text(ids: list[int]) -> None:
    assert "".join(streamed(ids)[0]) == TINY.decode(ids)


@pytest.mark.parametrize("text", ["🏋️‍♀️ up!", "naïve café", "下半身をもっと下げて", "🇫🇮 hyvä"])
def test_pieces_hold_whole_characters(text: str) -> None:
    ids = TINY.encode_plain(text)
    assert len(ids) > len(text) // 2
    pieces, _ = streamed(ids)
    assert "".join(pieces) == text
    assert all("\ufffd" not in piece for piece in pieces)


@settings(deadline=None, max_examples=100)
@given(st.text("ab\nc", max_size=25), st.lists(st.text("ab\nc", min_size=1, max_size=4), max_size=3))
def test_text_ends_before_first_stop_string(text: str, stop: list[str]) -> None:
    pieces, stopped = streamed([TINY.encode_plain(char)[0] for char in text], tuple(stop))
    # The reference reads the text one character longer at a time, as a person would see it arrive.
    expected, ended = text, False
    for end in range(1, len(text) + 1):
        cuts = [text[:end].find(s) for s in stop if s in text[:end]]
        if cuts:
            expected, ended = text[: min(cuts)], True
            break
    assert ("".join(pieces), stopped) == (expected, ended)


def test_empty_stop_string_is_refused() -> None:
    with pytest.raises(ReplyError, match="empty"):
        TextStream(TINY, ("",))


def test_bare_stop_string_is_accepted() -> None:
    stream = TextStream(TINY, "END")
    text = "".join(stream.push(i) for i in TINY.encode_plain("go END now"))
    assert (text, stream.stopped) == ("go ", True)


def test_repetition_penalty_changes_greedy_choice() -> None:
    logits = torch.tensor([0.0, 3.0, 2.0, -1.0])
    plain, penalised = TokenSampler(SamplingSettings()), TokenSampler(SamplingSettings(repetition_penalty=2.0))
    assert [plain.pick(logits) for _ in range(3)] == [1, 1, 1]
    assert [penalised.pick(logits) for _ in range(3)] == [1, 2, 1]
    assert logits.tolist() == [0.0, 3.0, 2.0, -1.0]


def test_top_p_keeps_smallest_set() -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    draws = {
        p: {TokenSampler(SamplingSettings(1.0, p, seed=s)).pick(logits) for s in range(200)} for p in (0.4, 0.7, 0.9)
    }
    assert draws == {0.4: {0}, 0.7: {0, 1}, 0.9: {0, 1, 2}}


def test_sampling_follows_probabilities_and_seed() -> None:
    logits = torch.tensor([0.0, 1.0, 2.0])
    sampler = TokenSampler(SamplingSettings(temperature=2.0, seed=7))
    counts = torch.bincount(torch.tensor([sampler.pick(logits) for _ in range(4000)]), minlength=3) / 4000
    assert torch.allclose(counts, torch.softmax(logits / 2, 0), atol=0.03)
    again = TokenSampler(SamplingSettings(temperature=2.0, seed=7))
    other = TokenSampler(SamplingSettings(temperature=2.0, seed=8))
    first, second, third = ([s.pick(logits) for _ in range(30)] for s in (again, again, other))
    assert first != second
    assert first != third
    fresh = TokenSampler(SamplingSettings(temperature=2.0, seed=7))
    assert first == [fresh.pick(logits) for _ in range(30)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", float("nan")),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("repetition_penalty", 0.0),
        ("repetition_penalty", float("inf")),
    ],
)
def test_value_out_of_range_is_named(name: str, value: float) -> None:
    with pytest.raises(ReplyError, match=f"{name} is"):
        SamplingSettings(**{name: value})
