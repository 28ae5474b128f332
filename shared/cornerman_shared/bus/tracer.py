"""OpenTelemetry spans of the hops, by the conventions for messaging. Only a process that traces imports this module.

A message carries the W3C `traceparent` of the span that wrote it. Every time is the server's (`Bus.clock`), so that the
spans of several hosts are in order.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from cornerman_shared.bus.codec import MAX_SAID
from cornerman_shared.redact import redact_url
from cornerman_shared.text import clean_text

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from cornerman_shared.clock import Clock

Attributes: TypeAlias = Mapping[str, str | int | float | bool]
T = TypeVar("T")

CLOSE_S = 2.0
"""How long the end of a process waits for its last spans to be exported."""

FIELDS = ("source_id", "run", "seq", "request_id", "question_id")
"""Fields of a message that become attributes of its spans, under `cornerman.`."""

_CONTEXTS = TraceContextTextMapPropagator()


class WorkSpan:
    """One span."""

    __slots__ = ("_clock", "_span", "traceparent")

    def __init__(self, span: Span, clock: Clock) -> None:
        self._span, self._clock = span, clock
        found = span.get_span_context()
        self.traceparent = f"00-{found.trace_id:032x}-{found.span_id:016x}-{int(found.trace_flags):02x}"

    def written_in(self, message: T) -> T:
        """The message with the context of this span."""
        changed: T = replace(message, traceparent=self.traceparent)  # type: ignore[type-var]
        return changed

    def note(self, attributes: Attributes, error: str = "") -> None:
        """Adds attributes; with an error the work has failed."""
        self._span.set_attributes(attributes)
        if error:
            self._span.set_status(Status(StatusCode.ERROR, clean_text(redact_url(error[: 2 * MAX_SAID]), MAX_SAID)))

    def event(self, name: str) -> None:
        """Adds a moment within the span."""
        self._span.add_event(name, timestamp=_nanoseconds(self._clock.now_s()))

    def end(self, error: str = "") -> None:
        """Ends it now; with an error the work has failed."""
        self.note({}, error)
        self._span.end(_nanoseconds(self._clock.now_s()))


class Tracer:
    """Makes the spans of one process.

    Args:
        provider: of the SDK, with its sampler and exporter.
        clock: the server's.
    """

    def __init__(self, provider: TracerProvider, clock: Clock) -> None:
        self._provider, self._clock = provider, clock
        self._tracer = provider.get_tracer("cornerman")

    def send(self, message: object, stream: str, since_s: float = 0.0) -> WorkSpan:
        """A span for a message that begins here, or that continues the context in it.

        Args:
            message: to be sent.
            stream: where to.
            since_s: when the work on it began, unix seconds; 0 = now.
        """
        return self._start("send", stream, SpanKind.PRODUCER, message, since_s=since_s)

    @contextlib.contextmanager
    def sending(self, message: T, stream: str) -> Iterator[T]:
        """A span round the sending of a message; gives the message to send."""
        span = self.send(message, stream)
        with _ended(span):
            yield span.written_in(message)

    def process(self, message: object, stream: str, attributes: Attributes) -> WorkSpan:
        """A span for work on a message."""
        return self._start("process", stream, SpanKind.CONSUMER, message, attributes)

    def delivered(self, message: object, stream: str, entry_id: str) -> None:
        """The span of an event that a client has got: from its entry in the stream until now."""
        since_s = min(int(entry_id.partition("-")[0]) / 1000, self._clock.now_s())
        there = {"messaging.message.id": entry_id}
        self._start(
            "deliver", stream, SpanKind.CONSUMER, message, there, since_s=min(since_s, self._clock.now_s())
        ).end()

    @contextlib.contextmanager
    def batch(self, work: str, messages: Sequence[object]) -> Iterator[None]:
        """A span round work on several messages at once: in the trace of the first one, with links to the others."""
        contexts = [context for message in messages if (context := _traceparent(message))]
        parent, others = contexts[0] if contexts else "", contexts[1:]
        links = [Link(get_current_span(_context(each)).get_span_context()) for each in others]
        attributes = {"messaging.batch.message_count": len(messages)}
        began = _nanoseconds(self._clock.now_s())
        span = self._tracer.start_span(work, _context(parent), attributes=attributes, links=links, start_time=began)
        with _ended(WorkSpan(span, self._clock)):
            yield

    def close(self) -> None:
        """Exports the last spans, for `CLOSE_S` at most: a collector that is away must not delay the exit."""
        closing = threading.Thread(target=self._provider.shutdown, name="tracer-close", daemon=True)
        closing.start()
        closing.join(CLOSE_S)

    def _start(
        self,
        operation: str,
        stream: str,
        kind: SpanKind,
        message: object,
        more: Attributes | None = None,
        since_s: float = 0.0,
    ) -> WorkSpan:
        name = stream.partition("}:")[2].partition(":")[0]
        attributes: dict[str, Any] = {
            "messaging.system": "redis",
            "messaging.destination.name": stream,
            "messaging.operation.name": operation,
            "messaging.operation.type": "process" if operation == "deliver" else operation,
        }
        for field in FIELDS:
            if (value := getattr(message, field, "")) != "":
                attributes[f"cornerman.{field}"] = value
        span = self._tracer.start_span(
            f"{operation} {name}",
            _context(_traceparent(message)),
            kind,
            attributes=attributes | dict(more or {}),
            start_time=_nanoseconds(since_s or self._clock.now_s()),
        )
        return WorkSpan(span, self._clock)


@contextlib.contextmanager
def _ended(span: WorkSpan) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        span.end(f"{type(error).__name__}: {error}")
        raise
    span.end()


def _context(traceparent: str) -> Context:
    """The context of a parent. Empty or malformed text gives none, so that a trace begins."""
    return _CONTEXTS.extract({"traceparent": traceparent}, Context())


def _traceparent(message: object) -> str:
    return str(getattr(message, "traceparent", ""))


def _nanoseconds(at_s: float) -> int:
    return int(at_s * 1e9)
