"""An OpenAI-compatible server that speaks slowly, for benchmarks: one comment an answer, word by word.

Every comment is given twice in a row, so that the pipeline has a repeat to suppress, and every seventh answer is `...`.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler

from tests.local_http import served

SILENT_EVERY = 7
PLACES = ("left", "right", "top", "bottom", "middle")


@dataclass
class SlowModel:
    """Its address up to `/v1`, and the numbers of answers that it began and that were cut off."""

    url: str = ""
    begun: int = 0
    cut_off: int = 0


def comment(number: int) -> str:
    """The text of an answer."""
    if number % SILENT_EVERY == SILENT_EVERY - 1:
        return "..."
    about = number // 2
    place = PLACES[about % len(PLACES)]
    return f"Look {about}: the bright square has moved to the {place} of the picture, and goes on from there"


@contextlib.contextmanager
def slow_model(word_s: float) -> Iterator[SlowModel]:
    """Serves while the body runs.

    Args:
        word_s: seconds between two words.
    """
    state, numbers = SlowModel(), itertools.count()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            state.begun += 1
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            try:
                for word in comment(next(numbers)).split(" "):
                    choice = {"index": 0, "delta": {"content": f"{word} "}}
                    self._send(json.dumps({"object": "chat.completion.chunk", "choices": [choice]}))
                    time.sleep(word_s)
                self._send("[DONE]")
            except OSError:  # the client has gone: its request was cancelled
                state.cut_off += 1

        def _send(self, text: str) -> None:
            self.wfile.write(f"data: {text}\n\n".encode())

        def log_message(self, *_: object) -> None:
            return

    with served(Handler) as address:
        state.url = f"{address}/v1"
        yield state
