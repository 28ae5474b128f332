"""Streaming answers of OpenAI-compatible servers: one POST, `data:` lines back, errors with the server's own words.
Streaming answers of OpenAI-compatible servers: one POST, `data:` lines back, errors with the server's own words."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx

from cornerman_shared.errors import ConfigError, GenerationError
from cornerman_shared.redact import redact_url

SHOWN_CHARACTERS = 300


class CompletionServer:
    """A connection pool to one server.

    Args:
        base_url: up to and with `/v1`, as OpenAI's own clients take it.
        api_key: sent as a bearer token; empty = none.
        timeout_s: for connecting and between two pieces.
    """

    def __init__(self, base_url: str, api_key: str, timeout_s: float) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ConfigError(
                f"generator.base_url = {redact_url(base_url)!r} is no address; "
                "give the server's, up to /v1, for example http://127.0.0.1:8001/v1"
            )
        self.base_url = base_url.rstrip("/")
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.AsyncClient(headers=headers, timeout=httpx.Timeout(timeout_s), follow_redirects=False)

    async def stream(self, path: str, body: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """The JSON objects of the answer's `data:` lines, until `[DONE]`.

        Raises:
            GenerationError: the server refused, failed, or broke off.
        """
        where = f"{redact_url(self.base_url)}{path}"
        try:
            async with self._client.stream("POST", f"{self.base_url}{path}", json=body) as answer:
                if answer.status_code != 200:
                    words = (await answer.aread()).decode("utf-8", "replace")[:SHOWN_CHARACTERS]
                    raise GenerationError(f"{where} answered {answer.status_code}: {words}")
                async for line in answer.aiter_lines():
                    if not line.startswith("data:"):
                        continue
                    data = line[len("data:") :].strip()
                    if data == "[DONE]":
                        return
                    yield _object(data, where)
                raise GenerationError(f"{where} broke off before the answer's end")
        except httpx.HTTPError as error:
            raise GenerationError(f"{where} failed: {error or type(error).__name__}") from error

    async def close(self) -> None:
        await self._client.aclose()


def _object(data: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise GenerationError(f"{where} sent no JSON object: {data[:SHOWN_CHARACTERS]!r}")
    if "error" in found:
        raise GenerationError(f"{where} reports: {json.dumps(found['error'])[:SHOWN_CHARACTERS]}")
    return found
