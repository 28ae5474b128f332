"""Client for OpenAI-compatible servers: one POST, `data:` lines back, errors with the server's own message."""

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
        base_url: up to and including `/v1`, as for OpenAI's own clients.
        api_key: sent as a bearer token; empty = none.
        timeout_s: for connecting and between two pieces, seconds.

    Raises:
        ConfigError: the address is not an http or https URL.
    """

    def __init__(self, base_url: str, api_key: str, timeout_s: float) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ConfigError(
                f"generator.base_url = {redact_url(base_url)!r} is not an http(s) URL; "
                "give the server's address up to /v1, for example http://127.0.0.1:8001/v1"
            )
        self.base_url = base_url.rstrip("/")
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        # A redirect could carry the key to another host.
        self._client = httpx.AsyncClient(headers=headers, timeout=httpx.Timeout(timeout_s), follow_redirects=False)

    async def stream(self, path: str, body: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """The JSON objects of the response's `data:` lines, until `[DONE]`.

        Raises:
            GenerationError: the server refused, failed, or broke off.
        """
        where = f"{redact_url(self.base_url)}{path}"
        try:
            async with self._client.stream("POST", f"{self.base_url}{path}", json=body) as response:
                if response.status_code != 200:
                    detail = (await response.aread()).decode("utf-8", "replace")[:SHOWN_CHARACTERS]
                    raise GenerationError(f"{where} answered {response.status_code}: {detail}")
                async for line in response.aiter_lines():
                    if not line.startswith("data:"):
                        continue  # keep-alive comments and blank lines
                    data = line[len("data:") :].strip()
                    if data == "[DONE]":
                        return
                    yield _object(data, where)
                raise GenerationError(f"{where} broke off before the end of the response")
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
        raise GenerationError(f"{where} sent something other than a JSON object: {data[:SHOWN_CHARACTERS]!r}")
    if "error" in found:
        raise GenerationError(f"{where} reports: {json.dumps(found['error'])[:SHOWN_CHARACTERS]}")
    return found
