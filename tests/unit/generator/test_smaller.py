"""A reply for which memory runs out is tried again with half of its input: once, and never after a word."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

from cornerman_generator.protocol import TextDelta
from cornerman_generator.smaller import reply_or_smaller
from cornerman_generator.vlm import VlmGenerator
from cornerman_shared.bus.chunk_input import ChunkInput
from cornerman_shared.bus.messages import Request
from cornerman_shared.errors import GenerationError

MakeRequest = Callable[..., Request]


class Limited:
    """Deals with so many inputs; with more, memory runs out, maybe after a first word."""

    def __init__(self, most: int, said: str = "") -> None:
        self.most, self.said = most, said
        self.tried: list[int] = []

    def __call__(self, n: int) -> Iterator[TextDelta]:
        self.tried.append(n)
        if self.said:
            yield TextDelta(self.said, 1)
        if n > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        yield TextDelta(f"{n}.", 1)

    def reply(self, frames: list[object], request: Request, cancel: object) -> Iterator[TextDelta]:
        return self(len(frames))


def test_half_is_tried_once() -> None:
    make, forgotten = Limited(4), []
    deltas = list(reply_or_smaller(make, 8, lambda: forgotten.append(1)))
    assert [(delta.text, delta.handled) for delta in deltas] == [("", "out_of_memory"), ("4.", "")]
    assert (make.tried, forgotten) == ([8, 4], [1])
    tight = Limited(1)
    with pytest.raises(torch.OutOfMemoryError):
        list(reply_or_smaller(tight, 8))
    assert tight.tried == [8, 4]


@pytest.mark.parametrize(("make", "n"), [(Limited(4, said="Hm"), 8), (Limited(0), 1)])
def test_what_is_not_tried_again(make: Limited, n: int) -> None:
    with pytest.raises(torch.OutOfMemoryError):
        list(reply_or_smaller(make, n))
    assert make.tried == [n]


def test_other_errors_are_not_tried_again() -> None:
    def broken(n: int) -> Iterator[TextDelta]:
        raise ValueError(n)
        yield

    with pytest.raises(ValueError, match="8"):
        list(reply_or_smaller(broken, 8))


async def test_one_look_is_made_smaller(request_for: MakeRequest, chunks: list[ChunkInput]) -> None:
    model = Limited(4)
    generator = VlmGenerator(model, "limited")  # type: ignore[arg-type]
    assert [delta.text async for delta in generator.generate(request_for(), chunks[:1])] == ["", "4."]
    await generator.close()
    assert model.tried == [8, 4]


async def test_vlm_looks_at_fewer_pictures(request_for: MakeRequest, chunks: list[ChunkInput]) -> None:
    model = Limited(6)
    generator = VlmGenerator(model, "limited")  # type: ignore[arg-type]
    assert [delta.text async for delta in generator.generate(request_for(), chunks)] == ["", "6."]
    model.most = 0
    with pytest.raises(GenerationError, match="out of memory"):
        _ = [delta async for delta in generator.generate(request_for(), chunks)]
    await generator.close()
    assert model.tried == [12, 6, 12, 6]
