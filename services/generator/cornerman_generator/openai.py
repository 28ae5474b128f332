"""OpenAI back end: frames to any OpenAI-compatible server (vLLM, SGLang, Ollama, a hosted one), text streamed back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

from cornerman_generator.core import distinct_frames
from cornerman_generator.data_uri import data_uri
from cornerman_generator.protocol import TextDelta
from cornerman_generator.spoken_prompt import spoken_prompt
from cornerman_generator.sse import CompletionServer, odd_piece
from cornerman_shared.errors import ConfigError

if TYPE_CHECKING:
    from cornerman_generator.protocol import Wants
    from cornerman_shared.bus.chunk_input import ChunkInput
    from cornerman_shared.bus.messages import Request
    from cornerman_shared.settings.tree import GeneratorSettings

MAX_IMAGES = 8


class OpenAIGenerator:
    """`POST {base_url}/chat/completions` with the newest frames as JPEG data URIs.

    Args:
        server: the connection.
        model: name of the model at the server.
    """

    wants: Wants = "frames"

    def __init__(self, server: CompletionServer, model: str) -> None:
        self._server = server
        self.model = model

    @classmethod
    def load(cls, settings: GeneratorSettings) -> OpenAIGenerator:
        """Makes the client; no request is sent yet.

        Raises:
            ConfigError: no address or no model is set.
        """
        if not settings.model:
            raise ConfigError("generator.model is empty; give the name of the model at the server")
        return cls(CompletionServer.of(settings), settings.model)

    async def generate(self, request: Request, chunks: Sequence[ChunkInput]) -> AsyncIterator[TextDelta]:
        """One delta for each piece that the server sends."""
        n_input = 0
        async for event in self._server.stream("/chat/completions", chat_body(self.model, request, chunks)):
            try:
                texts, n_prompt = chat_piece(event)
            except (AttributeError, TypeError):
                raise odd_piece(self._server.base_url, event) from None
            n_input = n_prompt or n_input
            for text in texts:
                yield TextDelta(text, 1, n_input)
        if n_input:  # usage comes last, after the text
            yield TextDelta("", 0, n_input)

    async def close(self) -> None:
        """Closes the connections."""
        await self._server.close()


def chat_piece(event: dict[str, Any]) -> tuple[list[str], int]:
    """Texts of a piece, and the tokens of the prompt, 0 = not said.

    Raises:
        AttributeError: a part is not an object.
        TypeError: a text is not text, or a count is not one.
    """
    n_input = (event.get("usage") or {}).get("prompt_tokens") or 0
    texts = [(choice.get("delta") or {}).get("content") or "" for choice in event.get("choices") or []]
    if not all(isinstance(text, str) for text in texts) or not isinstance(n_input, int) or not 0 <= n_input < 2**31:
        raise TypeError("a text or a count is of another type")
    return [text for text in texts if text], n_input


def chat_body(model: str, request: Request, chunks: Sequence[ChunkInput]) -> dict[str, Any]:
    """The request in the chat format. Servers stream about one token a piece, so pieces are counted as tokens."""
    content: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": data_uri(frame)}} for frame in distinct_frames(chunks, MAX_IMAGES)
    ]
    content.append({"type": "text", "text": spoken_prompt(request)})
    messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
    if request.system_prompt:
        messages.insert(0, {"role": "system", "content": request.system_prompt})
    sampling = request.sampling
    return {
        "model": request.adapter or model,
        "messages": messages,
        "max_tokens": sampling.max_new_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
