"""Prompt embeddings as a vLLM server receives them, value by value, and what an exported model says to them."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from cornerman_generator.backends import make_generator
from cornerman_shared.bus.chunk_input import ChunkInput
from cornerman_shared.bus.messages import Request
from cornerman_shared.settings.tree import GeneratorSettings
from mobile_videogpt import MobileVideoGPT, MobileVideoGPTConfig
from mobile_videogpt.decoding import ReplySettings
from mobile_videogpt.export import export_language
from mobile_videogpt.prompts import IMAGE, UPSTREAM_SYSTEM, chat_prompt
from mobile_videogpt.tokenizer import tiny_tokenizer

MakeRequest = Callable[..., Request]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(7)
    tiny = MobileVideoGPTConfig.tiny()
    model = MobileVideoGPT(
        replace(tiny, language=replace(tiny.language, vocab_size=400), system_prompt=UPSTREAM_SYSTEM)
    )
    model.tokenizer = tiny_tokenizer()
    model.save_pretrained(tmp_path / "ckpt")
    export_language(model, tmp_path / "llm")
    return tmp_path / "ckpt"


async def test_embeddings_that_arrive_are_ours(
    checkpoint: Path, request_for: MakeRequest, chunks: list[ChunkInput], http_server: Any
) -> None:
    http_server.lines = ["data: " + json.dumps({"choices": [{"text": "Up."}]}), "data: [DONE]"]
    generator = make_generator(
        GeneratorSettings(backend="vllm", model=str(checkpoint), base_url=http_server.url, device="cpu")
    )
    request = request_for()
    deltas = [delta async for delta in generator.generate(request, chunks)]
    await generator.close()
    ((path, _, body),) = http_server.requests
    # As vLLM reads it: base64 of a tensor that torch saved, [n, D].
    arrived = torch.load(io.BytesIO(base64.b64decode(body["prompt_embeds"], validate=True)), weights_only=True)

    # Written down again from the parts, with the tokenizer and the rows of the exported checkpoint.
    llm = checkpoint.parent / "llm"
    server, tokenizer = AutoModelForCausalLM.from_pretrained(llm), AutoTokenizer.from_pretrained(llm)
    before, after = chat_prompt(request.prompt, n_images=1).split(IMAGE)
    rows = [
        server.get_input_embeddings()(tokenizer(text, return_tensors="pt").input_ids)[0] for text in (before, after)
    ]
    frames = {
        pts_s: tokens
        for chunk in reversed(chunks)  # a frame in two chunks is taken from the first
        for pts_s, tokens in zip(chunk.ref.frame_pts_s, np.asarray(chunk.context), strict=True)
    }
    images = [torch.from_numpy(frames[pts_s].astype(np.float32)) for pts_s in sorted(frames)]  # each [16, D]
    videos = [torch.from_numpy(np.asarray(chunk.video, np.float32)) for chunk in chunks]  # each [32, D]
    wanted = torch.cat([rows[0], *images, *videos, rows[1]])
    assert (path, arrived.dtype, tuple(arrived.shape)) == ("/v1/completions", torch.float32, tuple(wanted.shape))
    assert torch.equal(arrived, wanted.detach())
    assert deltas[-1].n_input_tokens == len(wanted)

    # And the server's model continues them as ours does.
    ours = MobileVideoGPT.from_pretrained(checkpoint, part="language", device="cpu", dtype=torch.float32)
    with torch.inference_mode():
        theirs = server(inputs_embeds=arrived[None]).logits
        assert torch.equal(theirs, ours.require_language()(inputs_embeds=wanted.detach()[None]).logits)
    first, *_ = ours.text_generator.continue_embeds(arrived[None], ReplySettings(max_new_tokens=1))
    assert first.token_ids == (int(theirs[0, -1].argmax()),)
