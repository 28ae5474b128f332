"""Request schemas of OpenAI-compatible servers, written down from their published documentation on 2026-11-25 and 26.

Ollama: docs.ollama.com/api/openai-compatibility, "Supported request fields" of /v1/chat/completions. vLLM:
docs.vllm.ai, "OpenAI-Compatible Server" and "Prompt Embedding Inputs". SGLang: `ChatCompletionRequest` of its
`entrypoints/openai/protocol.py`. llama.cpp: `tools/server/README.md`, /v1/chat/completions. Strict here: a field that
a server's page does not list is refused, where the server itself might only ignore it.
"""

from __future__ import annotations

from typing import Any

NUMBER, TEXT, COUNT = {"type": "number"}, {"type": "string"}, {"type": "integer", "minimum": 1}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


DATA_URI = {"type": "string", "pattern": r"^data:image/(jpeg|jpg|png|webp);base64,[A-Za-z0-9+/]+=*$"}
PARTS = {
    "type": "array",
    "minItems": 1,
    "items": {
        "oneOf": [
            _object(["type", "text"], type={"const": "text"}, text=TEXT),
            _object(["type", "image_url"], type={"const": "image_url"}, image_url=_object(["url"], url=DATA_URI)),
        ]
    },
}
MESSAGES = {
    "type": "array",
    "minItems": 1,
    "items": _object(
        ["role", "content"],
        role={"enum": ["system", "user", "assistant"]},
        content={"oneOf": [{"type": "string", "minLength": 1}, PARTS]},
    ),
}
STREAM = {
    "stream": {"type": "boolean"},
    "stream_options": _object([], include_usage={"type": "boolean"}),
}
SAMPLING = {
    "max_tokens": COUNT,
    "temperature": {"type": "number", "minimum": 0, "maximum": 2},
    "top_p": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    "frequency_penalty": NUMBER,
    "presence_penalty": NUMBER,
    "seed": {"type": "integer"},
    "stop": {"oneOf": [TEXT, {"type": "array", "items": TEXT}]},
}

OLLAMA_CHAT = _object(
    ["model", "messages"], model=TEXT, messages=MESSAGES, response_format={}, tools={}, **STREAM, **SAMPLING
)
VLLM_CHAT = _object(
    ["model", "messages"],
    model=TEXT,
    messages=MESSAGES,
    repetition_penalty=NUMBER,
    top_k={"type": "integer"},
    min_p=NUMBER,
    **STREAM,
    **SAMPLING,
)
VLLM_COMPLETION = {
    **_object(
        ["model"],
        model=TEXT,
        prompt=TEXT,
        prompt_embeds={"type": "string", "pattern": r"^[A-Za-z0-9+/]+=*$"},
        repetition_penalty=NUMBER,
        top_k={"type": "integer"},
        min_p=NUMBER,
        **STREAM,
        **SAMPLING,
    ),
    "anyOf": [{"required": ["prompt"]}, {"required": ["prompt_embeds"]}],
}

SGLANG_CHAT = _object(
    ["messages"],
    model=TEXT,
    messages=MESSAGES,
    max_completion_tokens=COUNT,
    n={"type": "integer"},
    user=TEXT,
    repetition_penalty=NUMBER,
    top_k={"type": "integer"},
    min_p=NUMBER,
    min_tokens={"type": "integer"},
    ignore_eos={"type": "boolean"},
    skip_special_tokens={"type": "boolean"},
    separate_reasoning={"type": "boolean"},
    stream_reasoning={"type": "boolean"},
    chat_template_kwargs={"type": "object"},
    reasoning_effort={"enum": ["none", "low", "medium", "high"]},
    lora_path={},
    response_format={},
    tools={},
    **STREAM,
    **SAMPLING,
)
# llama-server takes the options of /completion beside OpenAI's.
LLAMA_CPP_CHAT = _object(
    ["messages"],
    model=TEXT,
    messages=MESSAGES,
    n_predict={"type": "integer"},
    repeat_penalty=NUMBER,
    top_k={"type": "integer"},
    min_p=NUMBER,
    cache_prompt={"type": "boolean"},
    reasoning_format={"enum": ["none", "auto", "deepseek"]},
    chat_template_kwargs={"type": "object"},
    response_format={},
    tools={},
    **STREAM,
    **SAMPLING,
)
