"""Mobile-VideoGPT and vLLM back ends on the tiny model."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cornerman_generator.backends import make_generator
from cornerman_generator.mobile_videogpt import torch_tokens
from cornerman_generator.protocol import TextDelta
from cornerman_shared.bus.chunk_input import ChunkInput
from cornerman_shared.bus.messages import Request, Sampling
from cornerman_shared.errors import ConfigError, GenerationError
from cornerman_shared.settings.tree import GeneratorSettings
from mobile_videogpt import MobileVideoGPT, MobileVideoGPTConfig
from mobile_videogpt.engine import LanguageEngine, Prefilled, PromptSegment
from mobile_videogpt.tokenizer import tiny_tokenizer

MakeRequest = Callable[..., Request]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint whose random weights generate varied text."""
    torch.manual_seed(3)
    tiny = MobileVideoGPTConfig.tiny()
    model = MobileVideoGPT(replace(tiny, language=replace(tiny.language, vocab_size=384)))
    for name, parameter in model.require_language().named_parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=1.0 if "embed" in name else 0.15)
    model.tokenizer = tiny_tokenizer()
    folder = tmp_path_factory.mktemp("ckpt") / "tiny"
    model.save_pretrained(folder)
    return folder


def settings(checkpoint: Path, **changes: Any) -> GeneratorSettings:
    return GeneratorSettings(**{
        "backend": "mobile_videogpt", "model": str(checkpoint), "device": "cpu", "concurrency": 4, **changes
    })  # fmt: skip


async def collect(deltas: AsyncIterator[TextDelta]) -> list[TextDelta]:
    return [delta async for delta in deltas]


async def test_streamed_text_equals_model_text(
    checkpoint: Path, request_for: MakeRequest, chunks: list[ChunkInput]
) -> None:
    generator = make_generator(settings(checkpoint))
    deltas = await collect(generator.generate(request_for(), chunks))
    await generator.close()
    model = MobileVideoGPT.from_pretrained(checkpoint, part="language", device="cpu", dtype=torch.float32)
    tokens = [torch_tokens(chunk) for chunk in chunks]
    ids = [list(chunk.ref.frame_pts_s) for chunk in chunks]
    (whole,) = model.generate(tokens, "How is the squat?", frame_ids=ids, max_new_tokens=12, stream=False)
    assert "".join(d.text for d in deltas) == whole.text
    assert whole.text.strip()
    assert whole.stats is not None
    assert sum(d.n_tokens for d in deltas) == whole.stats.new_tokens
    assert deltas[-1].n_input_tokens == whole.stats.prompt_tokens
    assert generator.model == "tiny"


async def test_concurrent_requests_equal_single_ones(
    checkpoint: Path, request_for: MakeRequest, chunks: list[ChunkInput]
) -> None:
    generator = make_generator(settings(checkpoint))
    prompts = [f"Question {i}: what now?" for i in range(6)]
    requests = [request_for(prompt=prompt) for prompt in prompts]
    alone = [await collect(generator.generate(request, chunks)) for request in requests]
    together = await asyncio.gather(*(collect(generator.generate(request, chunks)) for request in requests))
    await generator.close()
    texts = ["".join(d.text for d in deltas) for deltas in alone]
    assert ["".join(d.text for d in deltas) for deltas in together] == texts
    assert len(set(texts)) > 1


async def test_prompt_has_action_except_for_question(
    checkpoint: Path, request_for: MakeRequest, chunks: list[ChunkInput], tmp_path: Path
) -> None:
    model = MobileVideoGPT.from_pretrained(checkpoint, device="cpu", dtype=torch.float32)
    model.config = replace(model.config, reply_action=True)
    model.save_pretrained(tmp_path)
    generator = make_generator(settings(tmp_path))
    requests = [request_for(action="correct"), request_for(action="feedback"), request_for(kind="question")]
    answers = [await collect(generator.generate(request, chunks)) for request in requests]
    await generator.close()
    lengths = [deltas[-1].n_input_tokens for deltas in answers]
    assert lengths == [lengths[2] + 1, lengths[2] + 1, lengths[2]]
    assert len({"".join(d.text for d in deltas) for deltas in answers}) == 3


async def test_loading_warms_up_and_forgets(
    checkpoint: Path, request_for: MakeRequest, chunks: list[ChunkInput], monkeypatch: pytest.MonkeyPatch
) -> None:
    reused: list[int] = []
    prefill = LanguageEngine.prefill

    def counted(self: LanguageEngine, pieces: Sequence[PromptSegment], reserve_tokens: int = 0) -> Prefilled:
        done = prefill(self, pieces, reserve_tokens)
        reused.append(done.reused_tokens)
        return done

    monkeypatch.setattr(LanguageEngine, "prefill", counted)
    generator = make_generator(settings(checkpoint))
    assert reused == [0]
    await collect(generator.generate(request_for(), chunks))
    await generator.close()
    assert reused == [0, 0]


def test_no_adapter_loads_no_peft(checkpoint: Path) -> None:
    code = (
        "import sys, threading\n"
        "from cornerman_generator.mobile_videogpt import MobileVideoGPTGenerator\n"
        "from cornerman_shared.settings.tree import GeneratorSettings\n"
        f"settings = GeneratorSettings(backend='mobile_videogpt', model={str(checkpoint)!r}, device='cpu')\n"
        "generator = MobileVideoGPTGenerator.load(settings)\n"
        "with generator._adapters.using(''): print('peft' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


async def test_closing_stops_model_within_token(
    checkpoint: Path, request_for: MakeRequest, chunks: list[ChunkInput]
) -> None:
    generator = make_generator(settings(checkpoint, concurrency=1))
    long = request_for(sampling=Sampling(max_new_tokens=2000))
    iterator: Any = generator.generate(long, chunks)
    await anext(iterator)
    await iterator.aclose()  # waits for the thread: many seconds if the model went on
    assert await collect(generator.generate(request_for(), chunks))
    await generator.close()


async def test_wrong_or_missing_tokens_fail(
    checkpoint: Path, request_for: MakeRequest, chunks: list[ChunkInput]
) -> None:
    generator = make_generator(settings(checkpoint))
    narrow = [replace(c, context=np.zeros((8, 4, 16)), video=np.zeros((8, 16))) for c in chunks]
    with pytest.raises(GenerationError, match="16 wide"):
        await collect(generator.generate(request_for(), narrow))
    with pytest.raises(GenerationError, match="no tokens to read"):
        await collect(generator.generate(request_for(), [replace(chunks[0], context=None)]))
    with pytest.raises(GenerationError, match="adapter 'unknown' is not listed"):
        await collect(generator.generate(request_for(adapter="unknown"), chunks))
    await generator.close()


def test_unloadable_model_is_config_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"generator\.model.*cannot be loaded"):
        make_generator(settings(tmp_path))


async def test_vllm_gets_prompt_embeddings(
    checkpoint: Path, request_for: MakeRequest, chunks: list[ChunkInput], http_server: Any
) -> None:
    lines = ["data: " + json.dumps({"choices": [{"text": text}]}) for text in ("Good", " job.")]
    http_server.lines = [*lines, "data: [DONE]"]
    generator = make_generator(settings(checkpoint, backend="vllm", base_url=http_server.url))
    request = request_for()
    deltas = await collect(generator.generate(request, chunks))
    await generator.close()
    assert "".join(d.text for d in deltas) == "Good job."
    ((path, _, body),) = http_server.requests
    assert path == "/v1/completions"
    assert body["max_tokens"] == 12
    embeds = torch.load(io.BytesIO(base64.b64decode(body["prompt_embeds"])), weights_only=True)
    model = MobileVideoGPT.from_pretrained(checkpoint, part="language", device="cpu", dtype=torch.float32)
    tokens = [torch_tokens(chunk) for chunk in chunks]
    ids = [list(chunk.ref.frame_pts_s) for chunk in chunks]
    wanted = model.assemble(tokens, request.prompt, frame_ids=ids)[0]
    torch.testing.assert_close(embeds, wanted.float())
    assert deltas[0].n_input_tokens == wanted.shape[0]
    visual = 12 * 16 + 2 * 32  # twelve distinct frames, and two chunks' video tokens
    assert wanted.shape[0] > visual


async def test_vllm_prompt_has_action_token(
    checkpoint: Path, request_for: MakeRequest, chunks: list[ChunkInput], http_server: Any, tmp_path: Path
) -> None:
    model = MobileVideoGPT.from_pretrained(checkpoint, device="cpu", dtype=torch.float32)
    model.config = replace(model.config, reply_action=True)
    model.save_pretrained(tmp_path)
    http_server.lines = ["data: " + json.dumps({"choices": [{"text": "Up."}]}), "data: [DONE]"]
    generator = make_generator(settings(tmp_path, backend="vllm", base_url=http_server.url))
    lengths = []
    for kind in ("feedback", "question"):
        delta, _ = await collect(generator.generate(request_for(kind=kind), chunks))
        lengths.append(delta.n_input_tokens)
    await generator.close()
    assert lengths[0] == lengths[1] + 1


async def test_vllm_without_address_is_refused(checkpoint: Path) -> None:
    with pytest.raises(ConfigError, match=r"generator\.base_url"):
        make_generator(settings(checkpoint, backend="vllm"))
