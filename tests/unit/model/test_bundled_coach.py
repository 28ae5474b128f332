"""Answers of the bundled coach about the bundled clip; the truth is beside the clip."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import torch

import cornerman
from mobile_videogpt import MobileVideoGPT
from mobile_videogpt.tokens import Tokens

ASSETS = Path(cornerman.__file__).parent / "assets"
FPS, STRIDE = 8, 4


@pytest.fixture(scope="module")
def coach() -> MobileVideoGPT:
    return MobileVideoGPT.from_pretrained(ASSETS / "coach", device="cpu")


@pytest.fixture(scope="module")
def chunks(coach: MobileVideoGPT) -> list[Tokens]:
    """The chunks of the first thirty seconds, as in capture."""
    frames: list[np.ndarray] = []
    with av.open(str(ASSETS / "demo.mp4")) as clip:
        for frame in clip.decode(video=0):
            assert frame.time is not None
            if frame.time >= len(frames) / FPS - 1e-6:
                frames.append(frame.to_ndarray(format="rgb24"))
            if frame.time > 30:
                break
    starts = range(0, len(frames) - 7, STRIDE)
    return [coach.encode_chunk(torch.from_numpy(np.stack(frames[s : s + 8]))[None]) for s in starts]


@pytest.mark.parametrize(("after_s", "about"), [(7.25, "back"), (16.25, "arm"), (29.25, "press")])
@pytest.mark.parametrize("question", ["What should be changed?", "How am I doing?"])
def test_answer_names_the_shown_mistake(
    coach: MobileVideoGPT, chunks: list[Tokens], after_s: float, about: str, question: str
) -> None:
    newest = int((after_s * FPS - 8) / STRIDE)
    context = chunks[newest - 2 : newest + 1]
    frames = [range(i * STRIDE, i * STRIDE + 8) for i in range(newest - 2, newest + 1)]
    answer = "".join(d.text for d in coach.generate(context, question, frame_ids=frames, max_new_tokens=32))
    assert answer[0].isupper()
    assert answer.endswith(".")
    assert about in answer.lower()
