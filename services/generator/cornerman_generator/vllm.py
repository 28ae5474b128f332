"""vLLM back end: visual tokens as prompt embeddings to a vLLM server that runs the language half.

The server runs the same checkpoint's language half with `--enable-prompt-embeds`. This process needs only the token
embeddings, to put the prompt around the visual tokens.
"""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import torch

from cornerman_common.model_location import model_path
from cornerman_generator.adapter_names import listed_adapter
from cornerman_generator.chat_piece import counted
from cornerman_generator.core import require_tokens
from cornerman_generator.mobile_videogpt import action_of, frame_ids, torch_tokens
from cornerman_generator.protocol import TextDelta
from cornerman_generator.sse import CompletionServer, odd_piece
from cornerman_generator.token_count import TokenCount
from cornerman_pose.facts import prompt_with_facts
from cornerman_shared.errors import ConfigError, GenerationError
from mobile_videogpt import MobileVideoGPT
from mobile_videogpt.errors import ModelError

if TYPE_CHECKING:
    from cornerman_generator.protocol import Wants
    from cornerman_shared.bus.chunk_input import ChunkInput
    from cornerman_shared.bus.messages import Request
    from cornerman_shared.clock import Clock
    from cornerman_shared.settings.tree import GeneratorSettings


class VllmGenerator:
    """`POST {base_url}/completions` with `prompt_embeds`.

    Args:
        server: the connection.
        model: with its language half, to assemble prompts; it generates nothing.
        name: of the model at the server.
        adapters: names of adapters, and the models at the server that they stand for.
    """

    wants: Wants = "tokens"

    def __init__(
        self, server: CompletionServer, model: MobileVideoGPT, name: str, adapters: Mapping[str, str] | None = None
    ) -> None:
        self._server = server
        self._model = model
        self.model = name
        self._adapters = adapters or {}
        self._served: str | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="assemble")

    @classmethod
    def load(cls, settings: GeneratorSettings, clock: Clock | None = None) -> VllmGenerator:
        """Reads the language half to the CPU, for its embeddings.

        Raises:
            ConfigError: no address is set, or the checkpoint cannot be read.
        """
        path = model_path("generator.model", settings.model)
        server = CompletionServer.of(settings, clock)
        try:
            model = MobileVideoGPT.from_pretrained(path, part="language", dtype=torch.float32, device="cpu")
        except (ModelError, OSError, ValueError) as error:
            raise ConfigError(f"generator.model = {path!r} cannot be loaded: {error}") from error
        return cls(server, model, settings.model or path, settings.adapters)

    async def generate(self, request: Request, chunks: Sequence[ChunkInput]) -> AsyncIterator[TextDelta]:
        """One delta for each piece that the server sends."""
        loop = asyncio.get_running_loop()
        embeds, n_input = await loop.run_in_executor(self._pool, self._embeds, request, chunks)
        sampling = request.sampling
        body: dict[str, Any] = {
            "model": listed_adapter(request.adapter, self._adapters) or await self._served_name(),
            "prompt_embeds": embeds,
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "repetition_penalty": sampling.repetition_penalty,
            "stream": True,
        }
        count = TokenCount(self.model, n_input)
        path, deadline_at_s = "/completions", request.deadline_at_s
        async for event in count.events(self._server, path, body, deadline_at_s, request.traceparent):
            if isinstance(event, TextDelta):
                yield event
                continue
            choices = event.get("choices") or []
            try:
                count.add(*counted(event))
                texts = [one.get("text") or "" for one in choices]
            except (AttributeError, TypeError):
                texts = [None]
            if not all(isinstance(text, str) for text in texts):
                raise odd_piece(self._server.base_url, event)
            for text in filter(None, texts):
                yield count.text(text)
        yield count.total()

    async def _served_name(self) -> str:
        """The name of the server's only model: it has the language half in another folder than this process."""
        if self._served is None:
            names = await self._server.model_names()
            if names is None:
                return self.model
            self._served = names[0] if len(names) == 1 else self.model
        return self._served

    async def close(self) -> None:
        """Closes the connections."""
        self._pool.shutdown(wait=False)
        await self._server.close()

    def _embeds(self, request: Request, chunks: Sequence[ChunkInput]) -> tuple[str, int]:
        """The whole prompt [n, D] in vLLM's format (base64 of `torch.save`), and n."""
        require_tokens(chunks)
        try:
            embeds = self._model.assemble(
                [torch_tokens(chunk) for chunk in chunks],
                prompt_with_facts(request.prompt, request.about),
                system_prompt=request.system_prompt or None,
                frame_ids=frame_ids(chunks),
                action=action_of(request),
            )[0]
        except (ModelError, RuntimeError, ValueError) as error:
            raise GenerationError(f"{self.model}: {error}") from error
        buffer = io.BytesIO()  # float32 on the CPU: the server casts to its own dtype
        torch.save(embeds.detach().to("cpu", torch.float32).contiguous(), buffer)
        return base64.b64encode(buffer.getvalue()).decode(), embeds.shape[0]
