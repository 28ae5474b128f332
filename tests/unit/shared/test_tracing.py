"""Traces: what switches them on, what a span says, and that nothing changes while they are off."""

import io
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler

import pytest
import structlog
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.trace import SpanKind, StatusCode

from cornerman_shared.bus import tracer as tracer_module
from cornerman_shared.bus.codec import pack
from cornerman_shared.bus.messages import Chunk, Question, Times
from cornerman_shared.bus.tracer import Tracer, WorkSpan
from cornerman_shared.clock import VirtualClock
from cornerman_shared.process import logs
from cornerman_shared.process.tracing import tracer_of, wanted_exporter
from tests.local_http import served
from tests.spans import KeptSpans, trace_of

STREAM = "{cm0}:chunks"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = PARENT[:-1] + "0"
COLLECTOR = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}


def chunk(traceparent: str = "") -> Chunk:
    return Chunk("cam", "r1", 7, 1.0, (), 0.0, False, True, None, False, Times(5.0), traceparent=traceparent)


@pytest.mark.parametrize(
    ("environ", "exporter"),
    [
        ({}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, ""),
        (COLLECTOR, "otlp"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, "otlp"),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, "otlp"),
        ({"OTEL_TRACES_EXPORTER": "console"}, "console"),
        ({**COLLECTOR, "OTEL_TRACES_EXPORTER": "none"}, ""),
        ({**COLLECTOR, "OTEL_SDK_DISABLED": "True"}, ""),
        ({**COLLECTOR, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, "otlp"),
    ],
)
def test_environment_switches_tracing_on(environ: dict[str, str], exporter: str) -> None:
    assert wanted_exporter(environ) == exporter


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER = 'zipkin' is unknown; give one of otlp, console"),
        ({**COLLECTOR, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "'grpc' is not supported; give http/protobuf"),
    ],
)
def test_unsupported_wish_is_a_warning(environ: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wanted_exporter(environ)
    with structlog.testing.capture_logs() as lines:
        assert tracer_of(environ, "encoder", "e1", VirtualClock()) is None
    assert [line["event"] for line in lines] == ["tracing_is_off"] and message in lines[0]["message"]


def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with structlog.testing.capture_logs() as lines:
        assert tracer_of(COLLECTOR, "encoder", "e1", VirtualClock()) is None
    assert 'pip install "cornerman[tracing]"' in lines[0]["message"] and lines[0]["log_level"] == "warning"


def test_resource_names_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=gym")
    tracer = tracer_of({"OTEL_TRACES_EXPORTER": "console"}, "encoder", "host-1", VirtualClock())
    assert tracer is not None
    resource = tracer._provider.resource.attributes
    tracer.close()
    assert resource["service.name"] == "cornerman-encoder" and resource["service.instance.id"] == "host-1"
    assert resource["deployment.environment.name"] == "gym"


def test_spans_reach_the_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[ExportTraceServiceRequest] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with served(Collector) as url:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setattr(tracer_module, "CLOSE_S", 60.0)
        tracer = tracer_of({"OTEL_EXPORTER_OTLP_ENDPOINT": url}, "capture", "c1", VirtualClock())
        assert tracer is not None
        tracer.send(chunk(), STREAM).end()
        tracer.close()
    (spans,) = got[0].resource_spans
    assert {each.key: each.value.string_value for each in spans.resource.attributes}[
        "service.name"
    ] == "cornerman-capture"
    assert [span.name for scope in spans.scope_spans for span in scope.spans] == ["send chunks"]


def test_chunk_begins_a_trace() -> None:
    kept = KeptSpans(VirtualClock(10.0))
    span = kept.tracer.send(chunk(), STREAM, since_s=5.0)
    span.end()
    (found,) = kept.ended("send chunks")
    assert found.parent is None and found.kind is SpanKind.PRODUCER
    assert (found.start_time, found.end_time) == (5_000_000_000, 10_000_000_000)
    assert span.written_in(chunk()).traceparent[:-2] == f"00-{trace_of(found)}-{found.context.span_id:016x}-"
    wanted = {"messaging.system": "redis", "messaging.destination.name": STREAM, "messaging.operation.name": "send"}
    wanted |= {
        "messaging.operation.type": "send",
        "cornerman.source_id": "cam",
        "cornerman.run": "r1",
        "cornerman.seq": 7,
    }
    assert dict(found.attributes or {}) == {**wanted, "cornerman.seq": 7}


def test_work_continues_the_message() -> None:
    kept = KeptSpans()
    span = kept.tracer.process(chunk(PARENT), STREAM, {"messaging.consumer.group.name": "encoder"})
    span.note({"cornerman.outcome": "buried"}, "it is no picture")
    span.end()
    (found,) = kept.ended("process chunks")
    assert trace_of(found) == PARENT.split("-")[1] and found.parent is not None
    assert f"{found.parent.span_id:016x}" == PARENT.split("-")[2] and found.kind is SpanKind.CONSUMER
    assert (found.status.status_code, found.status.description) == (StatusCode.ERROR, "it is no picture")


def test_error_shows_no_password() -> None:
    kept = KeptSpans()
    kept.tracer.send(chunk(), STREAM).end("cannot open rtsp://ring:s3cret@10.0.0.7/1 \x1b[31m" + "x" * 9_000)
    said = kept.ended()[0].status.description or ""
    assert "10.0.0.7" in said and "s3cret" not in said and "\x1b" not in said and len(said) <= 2_000


@pytest.mark.parametrize("text", ["", "nonsense", PARENT + "-more", "00-" + "0" * 32 + "-b7ad6b7169203331-01", "é"])
def test_malformed_context_begins_a_trace(text: str) -> None:
    kept = KeptSpans()
    with kept.tracer.sending(Question("q", "cam", "?", 1.0, text), "{cm0}:questions") as sent:
        pass
    (found,) = kept.ended("send questions")
    assert found.parent is None and sent.traceparent.split("-")[1] == trace_of(found)


def test_batch_links_its_other_chunks() -> None:
    kept = KeptSpans()
    first, second, untraced = chunk(PARENT), chunk(PARENT.replace("-b7", "-c7")), chunk()
    with kept.tracer.batch("encode", [untraced, first, second]):
        pass
    (found,) = kept.ended("encode")
    assert found.parent is not None and f"{found.parent.span_id:016x}" == PARENT.split("-")[2]
    assert [f"{link.context.span_id:016x}" for link in found.links] == ["c7ad6b7169203331"]
    assert (found.attributes or {})["messaging.batch.message_count"] == 3


def test_failed_batch_has_error_status() -> None:
    kept = KeptSpans()
    with pytest.raises(RuntimeError), kept.tracer.batch("encode", [chunk(PARENT)]):
        raise RuntimeError("out of memory")
    assert kept.ended("encode")[0].status.description == "RuntimeError: out of memory"


def test_delivery_lasts_from_its_entry() -> None:
    kept = KeptSpans(VirtualClock(10.0))
    kept.tracer.delivered(chunk(PARENT), "{cm0}:feedback:cam", "9500-0")
    (found,) = kept.ended("deliver feedback")
    assert (found.start_time, found.end_time) == (9_500_000_000, 10_000_000_000)


def test_sampler_follows_environment_and_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    assert KeptSpans().tracer.process(chunk(UNSAMPLED), STREAM, {}).traceparent.endswith("-00")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    kept = KeptSpans()
    kept.tracer.send(chunk(), STREAM).end()
    kept.tracer.process(chunk(PARENT), STREAM, {}).end()
    assert [span.name for span in kept.ended()] == ["process chunks"]


def test_message_without_trace_is_unchanged() -> None:
    assert b"traceparent" not in pack(chunk())
    assert pack(chunk(PARENT)).count(b"traceparent") == 1


def test_collector_that_hangs_delays_no_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracer_module, "CLOSE_S", 0.01)
    freed = threading.Event()
    kept = KeptSpans()
    monkeypatch.setattr(kept._provider, "shutdown", lambda: freed.wait(60))
    kept.tracer.close()
    assert not freed.is_set()
    freed.set()


def test_lines_hold_message_and_trace() -> None:
    out = io.StringIO()
    logs.configure("info", "json", out, role="encoder")
    with logs.about(chunk(PARENT)):
        logs.get_logger("encoder").info("inside")
    logs.get_logger("encoder").info("outside")
    inside, outside = (json.loads(line) for line in out.getvalue().splitlines())
    assert (inside["source_id"], inside["run"], inside["seq"]) == ("cam", "r1", 7)
    assert inside["trace_id"] == PARENT.split("-")[1] and inside["role"] == "encoder"
    assert not {"source_id", "run", "seq", "trace_id"} & outside.keys()


def test_span_needs_no_recording() -> None:
    tracer: Tracer = KeptSpans().tracer
    span: WorkSpan = tracer.process(chunk(UNSAMPLED), STREAM, {})
    span.note({"cornerman.status": "done"}, "error")
    span.event("begin")
    span.end()
    assert span.traceparent.split("-")[1] == UNSAMPLED.split("-")[1]
