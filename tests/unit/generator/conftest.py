"""Requests, chunks and a local server for the generator's tests."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import numpy as np
import pytest

from cornerman_shared.bus.chunk_input import ChunkInput
from cornerman_shared.bus.messages import ChunkRef, Request, Sampling, Times
from tests.local_http import served


def make_request(**changes: Any) -> Request:
    fields: dict[str, Any] = {
        "request_id": "cam:r1:3",
        "source_id": "cam",
        "run": "r1",
        "seq": 3,
        "kind": "feedback",
        "action": "correct",
        "pts_s": 2.5,
        "prompt": "How is the squat?",
        "system_prompt": "",
        "previous_text": "",
        "chunks": tuple(chunk.ref for chunk in make_chunks()),
        "sampling": Sampling(max_new_tokens=12),
        "adapter": "",
        "deadline_at_s": 0.0,
        "owns_blobs": False,
        "times": Times(captured_at_s=1.0),
    }
    return Request(**{**fields, **changes})


def make_chunks(width: int = 128, patches: int = 16, video: int = 32) -> list[ChunkInput]:
    """Two chunks that overlap by four frames, with tokens and pixels."""
    random = np.random.default_rng(4)
    chunks = []
    for seq in (2, 3):
        pts = tuple(seq * 0.5 + i / 8 for i in range(8))
        frames = np.stack([np.full((30, 44, 3), round(p * 40), np.uint8) for p in pts])
        context = (random.standard_normal((8, patches, width)) * 0.5).astype(np.float16)
        tokens = (random.standard_normal((video, width)) * 0.5).astype(np.float16)
        chunks.append(ChunkInput(ChunkRef(seq, pts[-1], pts, None, None, None), context, tokens, frames))
    return chunks


@pytest.fixture(scope="session")
def request_for() -> Callable[..., Request]:
    """Makes a request; keyword arguments replace its fields."""
    return make_request


@pytest.fixture
def chunks() -> list[ChunkInput]:
    return make_chunks()


@dataclass
class LocalServer:
    """State of an HTTP server that answers every POST with `status` and `lines`, and records the requests.

    `first` holds answers (status, headers, body) that are given before, one for each request.
    """

    url: str = ""
    status: int = 200
    lines: list[str] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    closed_early: threading.Event = field(default_factory=threading.Event)
    pause_s: float = 0.0
    encoding: str = ""
    first: list[tuple[int, dict[str, str], str]] = field(default_factory=list)


@pytest.fixture
def http_server() -> Iterator[LocalServer]:
    """An HTTP server on a free port."""
    state = LocalServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.requests.append((self.path, dict(self.headers), body))
            if state.first:
                status, headers, text = state.first.pop(0)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text.encode())
                return
            self.send_response(state.status)
            self.send_header("Content-Type", "text/event-stream")
            if state.encoding:
                self.send_header("Content-Encoding", state.encoding)
            self.end_headers()
            try:
                for line in state.lines:
                    self.wfile.write(f"{line}\n\n".encode())
                    self.wfile.flush()
                    if state.pause_s:
                        threading.Event().wait(state.pause_s)
            except OSError:
                state.closed_early.set()

        def log_message(self, *_: object) -> None:
            return

    with served(Handler) as url:
        state.url = f"{url}/v1"
        yield state
