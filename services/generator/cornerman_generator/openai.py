"""OpenAI back end: frames to any OpenAI-compatible server (vLLM, SGLang, Ollama, llama.cpp, a hosted one)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cornerman_generator.adapter_names import listed_adapter
from cornerman_generator.chat_piece import chat_piece
from cornerman_generator.core import distinct_frames
from cornerman_generator.data_uri import data_uri
from cornerman_generator.protocol import TextDelta
from cornerman_generator.spoken_prompt import spoken_prompt
from cornerman_generator.sse import CompletionServer, odd_piece
from cornerman_generator.token_count import TokenCount
from cornerman_shared.errors import ConfigError

if TYPE_CHECKING:
    from cornerman_generator.protocol import Wants
    from cornerman_shared.bus.chunk_input import ChunkInput
    from cornerman_shared.bus.messages import Request
    from cornerman_shared.clock import Clock
    from cornerman_shared.settings.tree import GeneratorSettings

PATH = "/chat/completions"


class OpenAIGenerator:
    """`POST {base_url}/chat/completions` with the frames as JPEG data URIs; text is streamed back.

    Args:
        server: the connection.
        model: name of the model at the server.
        adapters: names of adapters, and the models at the server that they stand for.
        max_images: most frames of a request.
    """

    wants: Wants = "frames"

    def __init__(
        self,
        server: CompletionServer,
        model: str,
        adapters: Mapping[str, str] | None = None,
        max_images: int = 32,
    ) -> None:
        self._server = server
        self.model = model
        self._adapters = adapters or {}
        self._max_images = max_images

    @classmethod
    def load(cls, settings: GeneratorSettings, clock: Clock | None = None) -> OpenAIGenerator:
        """Makes the client; no request is sent yet.

        Raises:
            ConfigError: no address or no model is set.
        """
        if not settings.model:
            raise ConfigError("generator.model is empty; give the name of the model at the server")
        server = CompletionServer.of(settings, clock)
        return cls(server, settings.model, settings.adapters, settings.max_images)

    async def generate(self, request: Request, chunks: Sequence[ChunkInput]) -> AsyncIterator[TextDelta]:
        """One delta for each piece that the server sends; the last one has the tokens that the server counted."""
        began_s = time.perf_counter()
        # In a thread: sixteen pictures as JPEG would hold up the other requests.
        body = await asyncio.to_thread(chat_body, self._name_of(request), request, chunks, self._max_images)
        count = TokenCount(self.model, prepare_s=time.perf_counter() - began_s)
        async for event in count.events(self._server, PATH, body, request.deadline_at_s, request.traceparent):
            if isinstance(event, TextDelta):
                yield event
                continue
            try:
                piece = chat_piece(event)
            except (AttributeError, TypeError):
                raise odd_piece(self._server.base_url, event) from None
            count.add(piece.n_input, piece.n_reply)
            for _ in piece.thoughts:
                yield count.thought()
            for text in piece.texts:
                yield count.text(text)
        yield count.total()

    def _name_of(self, request: Request) -> str:
        """The model that the server is asked for: its own name, or what the operator calls an adapter."""
        return listed_adapter(request.adapter, self._adapters) or self.model

    async def close(self) -> None:
        """Closes the connections."""
        await self._server.close()


def chat_body(model: str, request: Request, chunks: Sequence[ChunkInput], max_images: int) -> dict[str, Any]:
    """The request in the chat format, with every distinct frame of the chunks up to `max_images`."""
    content: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": data_uri(frame)}} for frame in distinct_frames(chunks, max_images)
    ]
    content.append({"type": "text", "text": spoken_prompt(request)})
    messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
    if request.system_prompt:
        messages.insert(0, {"role": "system", "content": request.system_prompt})
    sampling = request.sampling
    return {
        "model": model,
        "messages": messages,
        "max_tokens": sampling.max_new_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "stream": True,
    }
