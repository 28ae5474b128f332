"""Prints the Grafana dashboard: `make chart` writes it to the chart, and a test compares them."""

from __future__ import annotations

import json
import sys
from typing import Any

RATE = "[$__rate_interval]"


def quantile(q: float, metric: str, by: str = "") -> str:
    groups = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, sum by ({groups}) (rate(cornerman_{metric}_bucket{RATE})))"


# Title, unit, {legend: expression}. Two panels a row.
PANELS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("Sources that play", "none", {"playing": "sum(cornerman_sources_playing)"}),
    ("Frames a second", "none", {"{{kind}}": f"sum by (kind) (rate(cornerman_frames_total{RATE}))"}),
    ("Chunks a second, by outcome", "none", {"{{outcome}}": f"sum by (outcome) (rate(cornerman_chunks_total{RATE}))"}),
    ("Entries that wait", "none", {"{{group}}": "max by (group) (cornerman_lag_entries)"}),
    ("Latency by stage (p50)", "s", {"{{stage}}": quantile(0.5, "stage_seconds", "stage")}),
    ("Latency by stage (p95)", "s", {"{{stage}}": quantile(0.95, "stage_seconds", "stage")}),
    ("Encoding a batch", "s", {"p50": quantile(0.5, "encode_seconds"), "p95": quantile(0.95, "encode_seconds")}),
    ("Chunks in a batch (p50)", "none", {"chunks": quantile(0.5, "encode_batch_chunks")}),
    ("People a second", "none", {"{{kind}}": f"sum by (kind) (rate(cornerman_poses_total{RATE}))"}),
    ("Clock ahead of the server", "s", {"{{pod}}": "cornerman_clock_skew_seconds"}),
    ("Decisions a second", "none", {"{{action}}": f"sum by (action) (rate(cornerman_decisions_total{RATE}))"}),
    ("Chunks held for order", "none", {"held": "sum(cornerman_chunks_held)"}),
    ("Requests a second", "none", {"{{status}}": f"sum by (status) (rate(cornerman_requests_total{RATE}))"}),
    (
        "Time to first word",
        "s",
        {"p50": quantile(0.5, "first_token_seconds"), "p95": quantile(0.95, "first_token_seconds")},
    ),
    ("Whole reply", "s", {"p50": quantile(0.5, "generate_seconds"), "p95": quantile(0.95, "generate_seconds")}),
    (
        "Tokens a second",
        "none",
        {
            "written": f"sum(rate(cornerman_output_tokens_total{RATE}))",
            "read": f"sum(rate(cornerman_input_tokens_total{RATE}))",
        },
    ),
    ("Cost an hour", "none", {"cost": "sum(increase(cornerman_cost_total[1h]))"}),
    (
        "Entries a second, by outcome",
        "none",
        {"{{outcome}}": f"sum by (outcome) (rate(cornerman_entries_total{RATE}))"},
    ),
    ("Entries in hand", "none", {"in hand": "sum(cornerman_entries_in_hand)"}),
    ("Errors a second, by kind", "none", {"{{kind}}": f"sum by (kind) (rate(cornerman_errors_total{RATE}))"}),
    (
        "Reconnects a second",
        "none",
        {
            "sources": f"sum(rate(cornerman_source_reconnects_total{RATE}))",
            "server": f"sum(rate(cornerman_bus_reconnects_total{RATE}))",
        },
    ),
    ("Event loop late (p99)", "s", {"late": quantile(0.99, "loop_delay_seconds")}),
    ("Clients", "none", {"{{kind}}": "sum by (kind) (cornerman_clients)"}),
    (
        "Events a second",
        "none",
        {
            "sent": f"sum(rate(cornerman_events_sent_total{RATE}))",
            "skipped": f"sum(rate(cornerman_events_skipped_total{RATE}))",
        },
    ),
)


def dashboard() -> dict[str, Any]:
    """The dashboard in Grafana's JSON model."""
    return {
        "title": "Cornerman",
        "uid": "cornerman",
        "schemaVersion": 39,
        "tags": ["cornerman"],
        "time": {"from": "now-1h", "to": "now"},
        "refresh": "10s",
        "templating": {
            "list": [{"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}],
        },
        "panels": [_panel(number, *panel) for number, panel in enumerate(PANELS)],
    }


def _panel(number: int, title: str, unit: str, expressions: dict[str, str]) -> dict[str, Any]:
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": title,
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "gridPos": {"h": 8, "w": 12, "x": 12 * (number % 2), "y": 8 * (number // 2)},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "expr": expression, "legendFormat": legend}
            for index, (legend, expression) in enumerate(expressions.items())
        ],
    }


if __name__ == "__main__":
    json.dump(dashboard(), sys.stdout, indent=1)
    sys.stdout.write("\n")
