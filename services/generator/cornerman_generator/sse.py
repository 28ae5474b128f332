"""Client for OpenAI-compatible servers: one POST, `data:` lines back, errors with the server's own message."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import httpx

from cornerman_common.model_checks import check_base_url
from cornerman_shared.errors import GenerationError
from cornerman_shared.redact import redact_url
from cornerman_shared.text import clean_text

if TYPE_CHECKING:
    from cornerman_shared.settings.tree import GeneratorSettings

SHOWN_CHARACTERS = 300


class CompletionServer:
    """A connection pool to one server.

    Args:
        base_url: up to and including `/v1`, as for OpenAI's own clients.
        api_key: sent as a bearer token; empty = none.
        timeout_s: for connecting and between two pieces, seconds.
        max_line_bytes: a longer line ends the response, so that one without an end does not fill the memory.

    Raises:
        ConfigError: the address is not an http or https URL.
    """

    def __init__(self, base_url: str, api_key: str, timeout_s: float, max_line_bytes: int = 2**20) -> None:
        check_base_url(base_url)
        self.base_url = base_url.rstrip("/")
        self._max_line_bytes = max_line_bytes
        # A compressed answer could be a thousand times as large as what arrives.
        headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {api_key}"} if api_key else {})
        # A redirect could carry the key to another host.
        self._client = httpx.AsyncClient(headers=headers, timeout=httpx.Timeout(timeout_s), follow_redirects=False)

    @classmethod
    def of(cls, settings: GeneratorSettings) -> CompletionServer:
        """The server that the settings name."""
        return cls(settings.base_url, settings.api_key, settings.timeout_s, settings.max_line_bytes)

    async def stream(self, path: str, body: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """The JSON objects of the response's `data:` lines, until `[DONE]`.

        Raises:
            GenerationError: the server refused, failed, or broke off.
        """
        where = f"{redact_url(self.base_url)}{path}"
        try:
            async with self._client.stream("POST", f"{self.base_url}{path}", json=body) as response:
                if (encoding := response.headers.get("Content-Encoding", "identity")) != "identity":
                    raise GenerationError(f"{where} compresses its answer ({encoding[:20]!r}); it must send it plain")
                if response.status_code != 200:
                    detail = clean_text(await _beginning(response), SHOWN_CHARACTERS)
                    raise GenerationError(f"{where} answered {response.status_code}: {detail}")
                async for line in _lines(response, self._max_line_bytes, where):
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


async def _beginning(response: httpx.Response) -> str:
    """The first bytes of the body, which may have no end."""
    body = b""
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) >= 4 * SHOWN_CHARACTERS:
            break
    return body.decode("utf-8", "replace")


async def _lines(response: httpx.Response, max_bytes: int, where: str) -> AsyncIterator[str]:
    """The body's lines without their ends (LF or CR LF).

    Raises:
        GenerationError: a line has more than `max_bytes` bytes.
    """
    rest = bytearray()
    async for piece in response.aiter_bytes():
        rest += piece
        *whole, last = rest.split(b"\n")
        if max(map(len, (*whole, last))) > max_bytes:
            raise GenerationError(f"{where} sent a line of more than {max_bytes} bytes (generator.max_line_bytes)")
        rest = last
        for line in whole:
            yield line.rstrip(b"\r").decode("utf-8", "replace")
    if rest:
        yield rest.decode("utf-8", "replace")


def odd_piece(base_url: str, event: dict[str, Any]) -> GenerationError:
    """The error for a piece whose parts have other types than those of the API."""
    shown = clean_text(repr(event), SHOWN_CHARACTERS)
    return GenerationError(f"{redact_url(base_url)} sent a piece of another form than OpenAI's: {shown}")


def _object(data: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise GenerationError(f"{where} sent something other than a JSON object: {data[:SHOWN_CHARACTERS]!r}")
    if "error" in found:
        raise GenerationError(f"{where} reports: {json.dumps(found['error'])[:SHOWN_CHARACTERS]}")
    return found
