"""Looks of any number of frames at the back ends: all frames of a poll reach the model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from cornerman_generator.core import distinct_frames
from cornerman_generator.mobile_videogpt import frame_ids, torch_tokens
from cornerman_generator.openai import chat_body
from cornerman_generator.vlm import messages_for
from cornerman_shared.bus.chunk_input import ChunkInput
from cornerman_shared.bus.messages import ChunkRef
from mobile_videogpt.context import visual_block
from tests.unit.generator.conftest import make_request


def look_of(times: list[float], patches: int = 4, width: int = 6) -> ChunkInput:
    frames = np.stack([np.full((6, 8, 3), round(time_s * 10), np.uint8) for time_s in times])
    context = np.stack([np.full((patches, width), number, np.float16) for number in range(len(times))])
    ref = ChunkRef(3, times[-1], tuple(times), None, None, None)
    return ChunkInput(ref, context, np.zeros((2, width), np.float16), frames)


@pytest.mark.parametrize("count", [1, 3, 8, 10, 16, 64])
def test_all_frames_of_a_look_are_shown(count: int) -> None:
    """`--num-frames 16` sent 8 pictures, silently."""
    look = look_of([n / 4 for n in range(count)])
    request = make_request(chunks=(look.ref,))
    body: Any = chat_body("m", request, [look], max_images=8)
    assert sum(part["type"] == "image_url" for part in body["messages"][0]["content"]) == count
    shown = messages_for(distinct_frames([look], 8), request)[0]["content"]
    assert [part["type"] for part in shown] == ["image"] * count + ["text"]


def test_repeated_frames_of_a_slow_source_count() -> None:
    """16 frames were asked for: a source of one frame a second fills four moments with each."""
    times = [float(number // 4) for number in range(16)]
    look = look_of(times)
    assert [int(frame[0, 0, 0]) for frame in distinct_frames([look], 8)] == [round(time_s * 10) for time_s in times]
    block = visual_block([torch_tokens(look)], frame_ids([look]))
    assert block.shape[1] == 16 * 4 + 2


def test_overlapping_chunks_still_share_frames() -> None:
    first, second = look_of([n / 8 for n in range(8)]), look_of([0.5 + n / 8 for n in range(8)])
    second = replace(second, ref=replace(second.ref, seq=4))
    block = visual_block([torch_tokens(first), torch_tokens(second)], frame_ids([first, second]))
    assert block.shape[1] == 12 * 4 + 2 * 2
    assert torch.equal(block[0, : 8 * 4 : 4, 0], torch.arange(8, dtype=torch.float16))
