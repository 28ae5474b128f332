"""Text objective and its visual tokens."""

from __future__ import annotations

import torch

from cornerman_training.features import render_frames
from cornerman_training.gym.session import plan_session
from cornerman_training.sampling import CHUNK, chunk_ends
from cornerman_training.session_cache import encode_session
from cornerman_training.stages.text import TextObjective, train_tokenizer
from mobile_videogpt.context import visual_block
from mobile_videogpt.modeling import MobileVideoGPT


def test_training_tokens_equal_visual_block(tiny_model: MobileVideoGPT) -> None:
    tokenizer = train_tokenizer(640)
    seen = encode_session(tiny_model.require_vision(), "train", 7, 5.0)
    mine = TextObjective(tiny_model, tokenizer, [seen]).visual([(0, 3)], 3)
    frames = render_frames(plan_session(7, "train", fps=8.0, duration_s=5.0))
    chunks, ids = [], []
    for end in chunk_ends(len(frames))[1:4]:
        tokens = tiny_model.encode_chunk(torch.from_numpy(frames[end - CHUNK + 1 : end + 1])[None])
        chunks.append(tokens)
        ids.append(list(range(end - CHUNK + 1, end + 1)))
    block = visual_block(chunks, ids)
    assert mine.shape == block.shape
    assert (
        float((mine.detach() - block).norm() / block.norm()) < 5e-3
    )  # training keeps the towers' tokens as half floats
