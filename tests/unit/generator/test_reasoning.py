"""Reasoning is never spoken, however a model marks it and wherever its pieces are cut."""

from __future__ import annotations

import itertools
import re
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from cornerman_generator.protocol import TextDelta, Wants
from cornerman_generator.reasoning import ReasoningFilter
from cornerman_generator.reply_text import BoundedGenerator
from cornerman_shared.bus.chunk_input import ChunkInput
from cornerman_shared.bus.messages import Request, Sampling
from cornerman_shared.errors import GenerationError

MakeRequest = Callable[..., Request]

REPLIES = {
    "think": "<think>Hm, the knees?</think>\n\nPush your knees out.",
    "upper case": "<THINK>Hm</THINK> Push your knees out.",
    "line break in a tag": "<think\n>Hm</think >Push your knees out.",
    "thinking": "<thinking>\nHm\n</thinking>Push your knees out.",
    "empty": "<think>\n\n</think>\n\nPush your knees out.",
    "twice": "<think>a</think>Push your <thought>b</thought>knees out.",
    "mistral": "[THINK]Hm [sic] x[/THINK]Push your knees out.",
    "kimi": "◁think▷Hm◁/think▷Push your knees out.",
    "seed": "<seed:think>Hm</seed:think>Push your knees out.",
    "begin of thought": "<|begin_of_thought|>Hm<|end_of_thought|>Push your knees out.",
    "harmony": "<|channel|>analysis<|message|>Hm <b> a<|end|><|start|>assistant<|channel|>final<|message|>"
    "Push your knees out.<|return|>",
    "harmony with a tool": "<|start|>assistant<|channel|>commentary to=f <|constrain|>json<|message|>{}<|call|>"
    "<|start|>assistant<|channel|>final<|message|>Push your knees out.",
    "harmony stripped": "analysisWe see an assistant. The user wants a hint.assistantfinalPush your knees out.",
    "gemma": "<|channel>thought\nHm<channel|>Push your knees out.",
    "answer tags": "<think>Hm</think><answer>Push your knees out.</answer>",
    "box": "<|begin_of_box|>Push your knees out.<|end_of_box|>",
    "begun by the template": "Hm, the knees are in.\n</think>\n\nPush your knees out.",
    "nested": "<think>a<think>b</think>c</think>Push your knees out.",
    "none": "Push your knees out.",
}
PLAIN = ["a < b and b > a", "Analysis of the squat: fine.", "analysis of it", "5 <", "[sic] x", "<b>bold</b>", "a"]


def spoken(pieces: Sequence[str], *, inside: bool = False, truncated: bool = False) -> str:
    one, text = ReasoningFilter(inside), ""
    for piece in pieces:
        part = one.push(piece)
        text = part.text if part.voids else text + part.text
    part = one.end(truncated)
    return part.text if part.voids else text + part.text


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_only_the_answer_is_spoken(reply: str) -> None:
    for size in (len(reply), 1, 3, 7):
        pieces = [reply[at : at + size] for at in range(0, len(reply), size)]
        assert spoken(pieces).strip() == "Push your knees out.", size


VOIDED = ("begun by the template", "nested")
"""Only a closing tag tells that what was spoken is reasoning."""


@pytest.mark.parametrize("name", [name for name in REPLIES if name not in VOIDED])
def test_no_cut_takes_words_back(name: str) -> None:
    for at in range(1, len(REPLIES[name])):
        one = ReasoningFilter()
        assert not any(one.push(piece).voids for piece in (REPLIES[name][:at], REPLIES[name][at:])), at


def test_unclosed_channel_is_silent() -> None:
    assert spoken(["<|channel>", "thought", "\nHm, the knees"], truncated=True) == ""


def test_nested_tags_teach_nothing() -> None:
    one = ReasoningFilter()
    one.push(REPLIES["nested"])
    assert not one.began_inside


@given(st.sampled_from(sorted(REPLIES.values())), st.lists(st.integers(0, 160), max_size=12))
def test_cuts_make_no_difference(reply: str, cuts: list[int]) -> None:
    ends = sorted({0, len(reply), *(cut % len(reply) for cut in cuts)})
    pieces = [reply[a:b] for a, b in itertools.pairwise(ends)]
    assert spoken(pieces) == spoken([reply])


@pytest.mark.parametrize("text", PLAIN)
def test_plain_text_passes(text: str) -> None:
    assert spoken([text]) == spoken(list(text)) == text


@given(st.text(alphabet="ab <>[]|/\n"))
@example("<| |>")
def test_text_without_tags_is_whole(text: str) -> None:
    assume(not re.search(r"<\|[ab ]*[ab][ab ]*\|>", text))  # a special token of some model
    assert spoken(list(text)) == text


def test_reasoning_that_never_ends_is_silent() -> None:
    assert spoken(["<think>Hm", " and on"], truncated=True) == ""
    assert spoken(["<|channel|>analysis<|message|>Hm"], truncated=True) == ""
    assert spoken(["Hm and on"], inside=True, truncated=True) == ""


def test_held_reply_is_the_answer() -> None:
    """A model that reasons as a rule answered at once."""
    assert spoken(["Push your", " knees out."], inside=True) == "Push your knees out."


class Scripted:
    """Streams one reply after the other, a character at a time."""

    model = "scripted"
    wants: Wants = "nothing"

    def __init__(self, *replies: str) -> None:
        self.replies = list(replies)

    async def generate(self, request: Request, chunks: Sequence[ChunkInput]) -> AsyncIterator[TextDelta]:
        for letter in self.replies.pop(0):
            yield TextDelta(letter, 1)

    async def close(self) -> None:
        return


async def test_second_reply_is_held_back(request_for: MakeRequest) -> None:
    """What the first reply taught: the next one speaks nothing that has to be voided."""
    generator = BoundedGenerator(Scripted(*[REPLIES["begun by the template"]] * 2), 100)
    request = request_for(sampling=Sampling(max_new_tokens=500))
    first = [delta async for delta in generator.generate(request, [])]
    (start,) = [i for i, delta in enumerate(first) if delta.voids]
    assert "".join(delta.text for delta in first[start:]).strip() == "Push your knees out."
    second = [delta async for delta in generator.generate(request, [])]
    assert not any(delta.voids for delta in second)
    assert "".join(delta.text for delta in second).strip() == "Push your knees out."


async def test_answer_that_never_came_fails(request_for: MakeRequest) -> None:
    generator = BoundedGenerator(Scripted("<think>Hm, well"), 100)
    with pytest.raises(GenerationError, match=r"reasoned for 15 tokens.*say\.max_new_tokens"):
        _ = [delta async for delta in generator.generate(request_for(), [])]
