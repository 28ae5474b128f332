"""Declares every metric. Workers serve them on `runtime.metrics_port`; dashboards are checked against this file.

No label holds a source or a request, because label values are never removed. Counters of a source are kept on the bus.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

PREFIX: Final = "cornerman_"

FAST_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SLOW_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0)
SIZES: Final = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Metrics:
    """Metrics of one process. `Metrics()` makes one attribute for each name in `DECLARED`.

    Attributes:
        role: of the process; only metrics that it can move are exposed. Empty = all.
        registry: holds what is exposed.
    """

    role: str = ""
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        hidden = CollectorRegistry()
        for name, make in DECLARED.items():
            exposed = not self.role or self.role in OWNERS.get(name, (self.role,))
            object.__setattr__(self, name, make(self.registry if exposed else hidden))

    # capture
    frames_total: Counter = field(init=False)
    chunks_total: Counter = field(init=False)
    source_reconnects_total: Counter = field(init=False)
    sources_playing: Gauge = field(init=False)
    # consumers: encoder, decider, generator
    entries_total: Counter = field(init=False)
    entries_in_hand: Gauge = field(init=False)
    bus_reconnects_total: Counter = field(init=False)
    # encoder
    encode_seconds: Histogram = field(init=False)
    encode_batch_chunks: Histogram = field(init=False)
    poses_total: Counter = field(init=False)
    # decider
    decisions_total: Counter = field(init=False)
    chunks_held: Gauge = field(init=False)
    # generator
    requests_total: Counter = field(init=False)
    first_token_seconds: Histogram = field(init=False)
    generate_seconds: Histogram = field(init=False)
    input_tokens_total: Counter = field(init=False)
    output_tokens_total: Counter = field(init=False)
    cost_total: Counter = field(init=False)
    # everywhere
    stage_seconds: Histogram = field(init=False)
    errors_total: Counter = field(init=False)
    loop_delay_seconds: Histogram = field(init=False)
    clock_skew_seconds: Gauge = field(init=False)
    # gateway
    clients: Gauge = field(init=False)
    events_sent_total: Counter = field(init=False)
    events_skipped_total: Counter = field(init=False)
    lag_entries: Gauge = field(init=False)

    def text(self) -> bytes:
        """The metrics in Prometheus' exposition format."""
        return generate_latest(self.registry)

    def observe_stage(self, stage: str, since_s: float, at_s: float) -> None:
        """Observes the time from the stage before to `stage`, both unix seconds; 0.0 = a stage that was not reached.

        Two processes know the server's time only up to a round trip, so a negative time counts as zero.
        """
        if since_s and at_s:
            self.stage_seconds.labels(stage).observe(max(0.0, at_s - since_s))


def _counter(name: str, text: str, *labels: str) -> Callable[[CollectorRegistry], Counter]:
    return lambda registry: Counter(PREFIX + name.removesuffix("_total"), text, labels, registry=registry)


def _gauge(name: str, text: str, *labels: str) -> Callable[[CollectorRegistry], Gauge]:
    return lambda registry: Gauge(PREFIX + name, text, labels, registry=registry)


def _histogram(
    name: str, text: str, buckets: tuple[float, ...], *labels: str
) -> Callable[[CollectorRegistry], Histogram]:
    return lambda registry: Histogram(PREFIX + name, text, labels, buckets=buckets, registry=registry)


Maker = Callable[[CollectorRegistry], Counter | Gauge | Histogram]

DECLARED: Final[dict[str, Maker]] = {
    "frames_total": _counter("frames_total", "Frames, by what became of them: captured, sampled.", "kind"),
    "chunks_total": _counter(
        "chunks_total", "Chunks at capture, by outcome: published, or the reason of the drop.", "outcome"
    ),
    "source_reconnects_total": _counter("source_reconnects_total", "Times that a source was opened again."),
    "sources_playing": _gauge("sources_playing", "Sources that give frames now."),
    "entries_total": _counter(
        "entries_total",
        "Entries taken from the bus, by outcome: committed, buried, lost, released, trimmed.",
        "outcome",
    ),
    "entries_in_hand": _gauge("entries_in_hand", "Entries being worked on now."),
    "bus_reconnects_total": _counter("bus_reconnects_total", "Times that the server was lost and found again."),
    "encode_seconds": _histogram("encode_seconds", "Computing one batch of chunks.", FAST_S),
    "encode_batch_chunks": _histogram("encode_batch_chunks", "Chunks encoded together.", SIZES),
    "poses_total": _counter(
        "poses_total", "People whose landmarks were computed, or reused from an equal frame.", "kind"
    ),
    "decisions_total": _counter("decisions_total", "Decisions, by action and strategy.", "action", "strategy"),
    "chunks_held": _gauge("chunks_held", "Chunks held back while an earlier one is awaited."),
    "requests_total": _counter(
        "requests_total", "Requests ended, by status: done, declined, expired, cancelled, failed.", "status"
    ),
    "first_token_seconds": _histogram("first_token_seconds", "Request taken to first text.", SLOW_S),
    "generate_seconds": _histogram("generate_seconds", "Request taken to last text.", SLOW_S),
    "input_tokens_total": _counter("input_tokens_total", "Tokens of prompts."),
    "output_tokens_total": _counter("output_tokens_total", "Tokens generated."),
    "cost_total": _counter("cost_total", "Price of the tokens, by generator.price_input and price_output."),
    "stage_seconds": _histogram(
        "stage_seconds", "Time between two stages, by the stage that was reached.", SLOW_S, "stage"
    ),
    "errors_total": _counter("errors_total", "Errors that were handled, by kind.", "kind"),
    "loop_delay_seconds": _histogram("loop_delay_seconds", "How late the event loop ran a timer.", FAST_S),
    "clock_skew_seconds": _gauge("clock_skew_seconds", "How far this machine's wall clock is ahead of the server's."),
    "clients": _gauge("clients", "Clients that follow a stream of events, by how.", "kind"),
    "events_sent_total": _counter("events_sent_total", "Events sent to clients."),
    "events_skipped_total": _counter("events_skipped_total", "Events that a slow client did not get."),
    "lag_entries": _gauge("lag_entries", "Entries that wait in a stream, by group.", "group"),
}

CONSUMERS: Final = ("encoder", "decider", "generator")

OWNERS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(("frames_total", "chunks_total", "source_reconnects_total", "sources_playing"), ("capture",)),
    **dict.fromkeys(("entries_total", "entries_in_hand"), CONSUMERS),
    **dict.fromkeys(("encode_seconds", "encode_batch_chunks", "poses_total"), ("encoder",)),
    **dict.fromkeys(("decisions_total", "chunks_held"), ("decider",)),
    **dict.fromkeys(
        (
            *("requests_total", "first_token_seconds", "generate_seconds"),
            *("input_tokens_total", "output_tokens_total", "cost_total"),
        ),
        ("generator",),
    ),
    "stage_seconds": ("capture", *CONSUMERS),
    **dict.fromkeys(("clients", "events_sent_total", "events_skipped_total", "lag_entries"), ("gateway",)),
}
"""Roles that move a metric; a metric that is absent belongs to all."""
