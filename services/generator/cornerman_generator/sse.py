"""Client for OpenAI-compatible servers: one POST, `data:` lines back, errors with the server's own message.

A request that a server refuses for now is sent again, until the first piece of an answer has come.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import httpx

from cornerman_common.model_checks import check_base_url
from cornerman_generator.server_retries import BusyServerError, is_temporary, retrying, wait_asked_s
from cornerman_shared.clock import Clock, SystemClock
from cornerman_shared.errors import GenerationError
from cornerman_shared.redact import redact_url
from cornerman_shared.text import clean_text

if TYPE_CHECKING:
    from cornerman_shared.settings.tree import GeneratorSettings

SHOWN_CHARACTERS = 300
_TRACEPARENT = re.compile("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

Pieces = AsyncGenerator[dict[str, Any], None]


class RefusedRequestError(GenerationError):
    """The server refused the request itself: another try would be refused, too."""

    def __init__(self, message: str, status: int, detail: str) -> None:
        super().__init__(message)
        self.status, self.detail = status, detail


@dataclass(frozen=True, slots=True)
class ServerPatience:
    """How long a request to a server may take.

    Attributes:
        timeout_s: for connecting and between two pieces, seconds.
        retries: tries after the first one, at most.
        retry_for_s: no try begins later than this, seconds after the first one.
    """

    timeout_s: float
    retries: int = 0
    retry_for_s: float = 0.0


class CompletionServer:
    """A connection pool to one server.

    Args:
        base_url: up to and including `/v1`, as for OpenAI's own clients.
        api_key: sent as a bearer token; empty = none.
        patience: how long it may take.
        max_line_bytes: a longer line ends the response, so that one without an end does not fill the memory.
        clock: that deadlines of requests are compared with.

    Raises:
        ConfigError: the address is not an http or https URL.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        patience: ServerPatience,
        max_line_bytes: int = 2**20,
        clock: Clock | None = None,
    ) -> None:
        check_base_url(base_url)
        self.base_url = base_url.rstrip("/")
        self._patience = patience
        self._clock = clock or SystemClock()
        self._max_line_bytes = max_line_bytes
        self._counts = True  # until it refuses to
        # A compressed answer could be a thousand times as large as what arrives.
        headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {api_key}"} if api_key else {})
        # A redirect could carry the key to another host.
        self._client = httpx.AsyncClient(
            headers=headers, timeout=httpx.Timeout(patience.timeout_s), follow_redirects=False
        )

    @classmethod
    def of(cls, settings: GeneratorSettings, clock: Clock | None = None) -> CompletionServer:
        """The server that the settings name."""
        # The last try has the other half of the time without a token.
        patience = ServerPatience(settings.timeout_s, settings.retries, settings.stall_s / 2)
        return cls(settings.base_url, settings.api_key, patience, settings.max_line_bytes, clock)

    async def stream(
        self,
        path: str,
        body: dict[str, Any],
        deadline_at_s: float = 0.0,
        report: Callable[[], None] = lambda: None,
        traceparent: str = "",
    ) -> AsyncIterator[dict[str, Any]]:
        """The JSON objects of the response's `data:` lines, until `[DONE]`; the last one counts the tokens.

        A server that refuses to count is asked without.

        Args:
            deadline_at_s: no further try begins after it, unix seconds; 0 = no deadline.
            report: called before each further try.
            traceparent: W3C trace context for the server; empty = none.

        Raises:
            RefusedRequestError: the server refused the request itself.
            GenerationError: the server failed, or broke off.
        """
        where = f"{redact_url(self.base_url)}{path}"
        # The bus may hold what another writer put there.
        headers = {"traceparent": traceparent} if _TRACEPARENT.fullmatch(traceparent) else {}
        limit_s = self._patience.retry_for_s
        if deadline_at_s:
            limit_s = min(limit_s, deadline_at_s - self._clock.now_s())
        async for attempt in retrying(self._patience.retries, limit_s, report):
            with attempt:
                pieces, first = await self._begin(path, body, where, headers)
        async with aclosing(pieces):
            if first is None:
                return
            yield first
            async for event in pieces:
                yield event

    async def _begin(
        self, path: str, body: dict[str, Any], where: str, headers: dict[str, str]
    ) -> tuple[Pieces, dict[str, Any] | None]:
        """Sends the request; returns the pieces that follow, and the first one, None at the end."""
        wanted = {**body, "stream_options": {"include_usage": True}} if self._counts else body
        pieces = self._pieces(path, wanted, where, headers)
        try:
            return pieces, await anext(pieces, None)
        except RefusedRequestError as error:
            if not self._counts or error.status not in (400, 422) or "stream_options" not in error.detail:
                raise
        except BaseException:
            await pieces.aclose()
            raise
        self._counts = False
        return await self._begin(path, body, where, headers)

    async def _pieces(self, path: str, body: dict[str, Any], where: str, headers: dict[str, str]) -> Pieces:
        """One try. Before its first piece, errors that may pass are a `BusyServerError`."""
        begun = False
        try:
            async with self._client.stream("POST", f"{self.base_url}{path}", json=body, headers=headers) as response:
                if (encoding := response.headers.get("Content-Encoding", "identity")) != "identity":
                    raise GenerationError(f"{where} compresses its answer ({encoding[:20]!r}); it must send it plain")
                if response.status_code != 200:
                    await self._refuse(response, where)
                async for line in _lines(response, self._max_line_bytes, where):
                    if not line.startswith("data:"):
                        continue  # keep-alive comments and blank lines
                    data = line[len("data:") :].strip()
                    if data == "[DONE]":
                        return
                    event = _object(data, where, may_retry=not begun)
                    begun = True
                    yield event
                message = f"{where} broke off before the end of the response"
                raise GenerationError(message) if begun else BusyServerError(message)
        except httpx.HTTPError as error:
            message = f"{where} failed: {error or type(error).__name__}"
            # The server was not there, or closed or reset the connection; a slow one is not asked again.
            passes = isinstance(error, httpx.NetworkError | httpx.ConnectTimeout | httpx.RemoteProtocolError)
            raise BusyServerError(message) if passes and not begun else GenerationError(message) from error

    async def _refuse(self, response: httpx.Response, where: str) -> NoReturn:
        detail = clean_text(await _beginning(response), SHOWN_CHARACTERS)
        message, status = f"{where} answered {response.status_code}: {detail}", response.status_code
        if is_temporary(status, response.headers, detail):
            raise BusyServerError(message, wait_asked_s(response.headers, self._clock.now_s()))
        raise RefusedRequestError(message, status, detail)

    async def model_names(self) -> list[str] | None:
        """Names of the models that the server lists, without its adapters; None = it did not answer."""
        body = b""
        try:
            async with self._client.stream("GET", f"{self.base_url}/models") as response:
                async for piece in response.aiter_bytes():
                    body += piece
                    if len(body) > self._max_line_bytes:
                        return []
            return [str(one["id"]) for one in json.loads(body)["data"] if not one.get("parent")]
        except httpx.HTTPError:
            return None
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return []  # it lists none

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


def _object(data: str, where: str, *, may_retry: bool) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise GenerationError(f"{where} sent something other than a JSON object: {data[:SHOWN_CHARACTERS]!r}")
    if found.get("error"):
        error = found["error"]
        shown = json.dumps(error)[:SHOWN_CHARACTERS]
        code = error.get("code") if isinstance(error, dict) else None
        passes = may_retry and isinstance(code, int) and is_temporary(code, {}, shown)
        raise BusyServerError(f"{where} reports: {shown}") if passes else GenerationError(f"{where} reports: {shown}")
    return found
