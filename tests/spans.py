"""A tracer that keeps its spans, for tests."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from cornerman_shared.bus.tracer import Tracer
from cornerman_shared.clock import Clock, SystemClock


class KeptSpans:
    """The spans of one tracer.

    Attributes:
        tracer: for a bus.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._exporter = InMemorySpanExporter()
        self._provider = TracerProvider(shutdown_on_exit=False)
        self._provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = Tracer(self._provider, clock or SystemClock())

    def ended(self, name: str = "") -> list[ReadableSpan]:
        """Spans that have ended, in that order; with a name only those."""
        return [span for span in self._exporter.get_finished_spans() if name in ("", span.name)]

    def of_trace(self, traceparent: str) -> list[ReadableSpan]:
        """Spans of the trace that a message carries."""
        return [span for span in self.ended() if trace_of(span) == traceparent.split("-")[1]]


def trace_of(span: ReadableSpan) -> str:
    """The trace id, as in a `traceparent`."""
    return f"{span.context.trace_id:032x}"


def parents(spans: Sequence[ReadableSpan]) -> dict[str, str]:
    """Name of each span -> name of its parent; empty = it begins the trace."""
    names = {span.context.span_id: span.name for span in spans}
    return {span.name: names.get(span.parent.span_id, "") if span.parent else "" for span in spans}
