"""One piece of a streamed chat completion: answer, reasoning, and the tokens that the server counted. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

REASONING: Final = ("reasoning_content", "reasoning", "reasoning_text", "thinking")
"""Fields of a delta in which servers send reasoning: DeepSeek, SGLang and llama.cpp; Ollama and vLLM; others."""

LARGEST: Final = 2**31


@dataclass(frozen=True, slots=True)
class ChatPiece:
    """One piece.

    Attributes:
        texts: of the answer.
        thoughts: reasoning, which is counted and not spoken.
        n_input: tokens of the prompt; 0 = not said.
        n_reply: tokens of the whole reply, reasoning included; 0 = not said.
    """

    texts: tuple[str, ...]
    thoughts: tuple[str, ...]
    n_input: int
    n_reply: int


def chat_piece(event: dict[str, Any]) -> ChatPiece:
    """Reads a piece.

    Raises:
        AttributeError: a part is not an object.
        TypeError: a text is not text, or a count is not one.
    """
    texts: list[str] = []
    thoughts: list[str] = []
    for choice in event.get("choices") or []:
        delta = choice.get("delta") or {}
        thoughts += [_text(delta.get(name)) for name in REASONING if isinstance(delta.get(name), str)]
        content = delta.get("content")
        if isinstance(content, list):
            for part in content:
                kind = part.get("type")
                if not isinstance(kind, str):
                    raise TypeError("a part of the content has no type")
                # Any other part, such as `thinking` or `reasoning`, is not an answer.
                (texts if kind == "text" else thoughts).append(_text(part.get("text")) if kind == "text" else kind)
        else:
            texts.append(_text(content))
    return ChatPiece(tuple(filter(None, texts)), tuple(filter(None, thoughts)), *counted(event))


def counted(event: dict[str, Any]) -> tuple[int, int]:
    """Tokens of the prompt and of the reply that a piece states; 0 = it does not.

    Raises:
        AttributeError: `usage` is not an object.
        TypeError: a count is not one.
    """
    usage = event.get("usage") or {}
    return _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))


def _text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError("a text is of another type")
    return value


def _count(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, float) and value.is_integer():  # a proxy in a language whose numbers are floats
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < LARGEST:
        raise TypeError("a count is of another type")
    return value
