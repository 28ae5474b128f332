"""Whether this process traces: as the environment says, by OpenTelemetry's standard variables. Off unless they ask.

An endpoint (`OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`) or an exporter
(`OTEL_TRACES_EXPORTER`) switches it on. The SDK reads the other variables: sampler, headers, limits, resource.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING

from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

    from cornerman_shared.bus.tracer import Tracer
    from cornerman_shared.clock import Clock

EXPORTERS = ("otlp", "console", "none")
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
HTTP = "http/protobuf"

log = get_logger("tracing")


def wanted_exporter(environ: Mapping[str, str]) -> str:
    """The exporter that the environment asks for; empty = none.

    Raises:
        ValueError: an exporter or a protocol that Cornerman does not have.
    """
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return ""
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip() or ("otlp" if _first(environ, ENDPOINTS)[1] else "none")
    if exporter not in EXPORTERS:
        raise ValueError(f"OTEL_TRACES_EXPORTER = {exporter!r} is unknown; give one of {', '.join(EXPORTERS)}")
    name, protocol = _first(environ, PROTOCOLS)
    if exporter == "otlp" and protocol not in ("", HTTP):
        raise ValueError(f"{name} = {protocol!r} is not supported; give {HTTP}, and the collector's port for it (4318)")
    return "" if exporter == "none" else exporter


def tracer_of(environ: Mapping[str, str], role: str, worker: str, clock: Clock) -> Tracer | None:
    """The tracer that the environment asks for; None = this process does not trace.

    What keeps it from tracing is logged as a warning: a worker has to work without its traces.
    """
    try:
        exporter = wanted_exporter(environ)
        return _tracer(exporter, environ, role, worker, clock) if exporter else None
    except ImportError as error:
        log.warning("tracing_is_off", message=f'{error}; install the extra: pip install "cornerman[tracing]"')
    except ValueError as error:
        log.warning("tracing_is_off", message=str(error))
    return None


def _tracer(exporter: str, environ: Mapping[str, str], role: str, worker: str, clock: Clock) -> Tracer:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from cornerman_shared.bus.tracer import Tracer

    about = {"service.namespace": "cornerman", "service.version": version("cornerman"), "service.instance.id": worker}
    if not environ.get("OTEL_SERVICE_NAME"):
        about["service.name"] = f"cornerman-{role}"
    # `Tracer.close` ends it, within a limit.
    provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_exporter(exporter)))
    log.info("tracing", exporter=exporter, endpoint=_first(environ, ENDPOINTS)[1])
    return Tracer(provider, clock)


def _exporter(name: str) -> SpanExporter:
    if name == "console":
        import sys

        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        return ConsoleSpanExporter(out=sys.stderr)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> tuple[str, str]:
    """The first of these variables that is set, and its value."""
    return next(((name, text) for name in names if (text := environ.get(name, "").strip())), ("", ""))
