"""An OpenAI-compatible server for tests: refuses what its schema refuses, streams one sentence, keeps the requests."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import jsonschema

from tests.local_http import served

SERVED = "./language-half"
"""Name of the model in the list of models."""
WORDS = ("Push", " your", " knees", " out.")


@dataclass
class ChatServer:
    """Its address up to `/v1`, the bodies it accepted, and what it refused."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    first_after_s: list[float] = field(default_factory=list)  # from each request to its first piece

    @property
    def prompts(self) -> list[str]:
        """The text of each chat request."""
        return [part["text"] for body in self.requests for part in body["messages"][-1]["content"] if "text" in part]


@contextlib.contextmanager
def chat_server(
    path: str, schema: dict[str, Any], words: tuple[str, ...] = WORDS, *, first_s: float = 0.0, pause_s: float = 0.0
) -> Iterator[ChatServer]:
    """Serves POST `/v1{path}` on a free port while the body runs.

    Args:
        first_s: sleeps so long before the first piece, `pause_s` before each later one.
    """
    state = ChatServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            listed = [{"id": SERVED, "parent": None}, {"id": "an-adapter", "parent": SERVED}]
            self.send_response(200 if self.path == "/v1/models" else 404)
            self.end_headers()
            self.wfile.write(json.dumps({"object": "list", "data": listed}).encode())

        def do_POST(self) -> None:
            began_s = time.monotonic()
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                assert self.path == f"/v1{path}", f"no endpoint {self.path}"
                body = json.loads(raw)
                jsonschema.validate(body, schema)
            except (AssertionError, ValueError, jsonschema.ValidationError) as error:
                state.refused.append(str(error)[:500])
                self.send_response(400)
                self.end_headers()
                self.wfile.write(json.dumps({"error": {"message": str(error)[:500]}}).encode())
                return
            state.requests.append(body)
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            key = "delta" if path.startswith("/chat") else "text"
            for index, word in enumerate(words):
                time.sleep(pause_s if index else first_s)
                if not index:
                    state.first_after_s.append(time.monotonic() - began_s)
                choice = {"index": 0, key: {"content": word} if key == "delta" else word}
                self._send({"object": "chat.completion.chunk", "choices": [choice]})
            self._send({"choices": [], "usage": {"prompt_tokens": 99, "completion_tokens": len(words)}})
            self.wfile.write(b"data: [DONE]\n\n")

        def _send(self, value: object) -> None:
            self.wfile.write(f"data: {json.dumps(value)}\n\n".encode())

        def log_message(self, *_: object) -> None:
            return

    with served(Handler) as address:
        state.url = f"{address}/v1"
        yield state
