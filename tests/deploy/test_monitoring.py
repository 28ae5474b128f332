"""Alerts and dashboard: metrics exist, alerts have a runbook, a real Prometheus evaluates every expression."""

import contextlib
import http.server
import json
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from cornerman_capture.core import DropReason
from cornerman_shared.bus.messages import EndStatus
from cornerman_shared.bus.streams import GROUP_DECIDER, GROUP_ENCODER, GROUP_GENERATOR
from cornerman_shared.process.metrics import DECLARED, OWNERS, PREFIX, Metrics
from tests.deploy.tools import CHART, ROOT, prometheus_tool
from tests.local_http import served

ALERTS = CHART / "files" / "alerts.yaml"
DASHBOARD = CHART / "files" / "dashboard.json"
RULES = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"][0]["rules"]


def expressions() -> list[str]:
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def test_dashboard_file_is_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "deploy" / "dashboard.py")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == DASHBOARD.read_text()


def test_dashboard_shows_every_metric() -> None:
    named = set(re.findall(rf"{PREFIX}(\w+)", " ".join(expressions())))
    assert {name.removesuffix("_bucket") for name in named} == set(DECLARED)


def test_alerts_use_declared_metrics() -> None:
    named = {name for rule in RULES for name in re.findall(rf"\b{PREFIX}(\w+)", rule["expr"])}
    assert {name.removesuffix("_bucket") for name in named} <= set(DECLARED)


def test_every_alert_has_a_runbook_section() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\w+)", runbook, re.MULTILINE) == [rule["alert"] for rule in RULES]


def test_every_metric_is_moved_by_code() -> None:
    """Each by the services that expose it; a metric that nothing moves would show a flat line."""
    moved: dict[str, set[str]] = {}
    for folder in ("shared/cornerman_shared", "services"):
        for file in (ROOT / folder).rglob("*.py"):
            role = file.parent.name.removeprefix("cornerman_")
            for name in re.findall(r"metrics\.(\w+)", file.read_text(encoding="utf-8")):
                moved.setdefault(name, set()).add(role)
    assert {name for name in DECLARED if not moved.get(name)} - {"stage_seconds"} == set()
    assert moved["observe_stage"] == set(OWNERS["stage_seconds"])


def test_matched_labels_exist() -> None:
    """A label value that no service writes would make an expression silent for good."""
    values = {
        "group": {GROUP_ENCODER, GROUP_DECIDER, GROUP_GENERATOR},
        "outcome": {"published", "committed", "buried", "lost", "released", "trimmed", *get_args(DropReason)},
        "status": set(get_args(EndStatus)),
    }
    for expression in [*expressions(), *(rule["expr"] for rule in RULES)]:
        for label, value in re.findall(r'(\w+)!?="([\w]+)"', expression):
            assert value in values[label], expression


def test_runbook_tells_every_reason_of_a_drop() -> None:
    section = (
        (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8").split("## CornermanDropsChunks")[1].split("## ")[0]
    )
    assert re.findall(r"`(\w+)` =", section) == list(get_args(DropReason))


def test_alerts_pass_promtool() -> None:
    done = subprocess.run([prometheus_tool("promtool"), "check", "rules", str(ALERTS)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def moved_metrics() -> Metrics:
    """Every metric with a child of each label that the dashboard groups by."""
    metrics = Metrics()
    labels = {
        "frames_total": ("captured",),
        "chunks_total": ("published",),
        "entries_total": ("committed",),
        "poses_total": ("computed",),
        "decisions_total": ("next", "head"),
        "requests_total": ("done",),
        "stage_seconds": ("encoded",),
        "errors_total": ("source",),
        "clients": ("events",),
        "lag_entries": ("encoder",),
    }
    for name in DECLARED:
        metric: Any = getattr(metrics, name)
        child = metric.labels(*labels[name]) if name in labels else metric
        (child.observe if hasattr(child, "observe") else child.inc)(1)
    return metrics


@pytest.fixture
def scraped() -> Iterator[int]:
    """Port of a worker whose counters grow with each scrape."""
    metrics = moved_metrics()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            for name in DECLARED:
                for metric in [getattr(metrics, name)]:
                    for child in getattr(metric, "_metrics", {"": metric}).values() or [metric]:
                        (child.observe if hasattr(child, "observe") else child.inc)(1)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(metrics.text())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with served(Handler) as url:
        yield int(url.rpartition(":")[2])


@pytest.fixture
def prometheus(scraped: int, tmp_path: Path, unused_tcp_port: int) -> Iterator[str]:
    """URL of a real Prometheus that scrapes the worker and has loaded the alerts."""
    config = {
        "global": {"scrape_interval": "200ms", "evaluation_interval": "1s"},
        "rule_files": [str(ALERTS)],
        "scrape_configs": [{"job_name": "cornerman", "static_configs": [{"targets": [f"127.0.0.1:{scraped}"]}]}],
    }
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = [prometheus_tool("prometheus"), f"--config.file={tmp_path}/prometheus.yml"]
    command += [f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address=127.0.0.1:{unused_tcp_port}"]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, stderr=log) as process:
        yield f"http://127.0.0.1:{unused_tcp_port}"
        process.terminate()


def ask(url: str, path: str, **query: str) -> Any:
    with urllib.request.urlopen(f"{url}{path}?{urllib.parse.urlencode(query)}") as reply:
        return json.load(reply)["data"]


def test_prometheus_evaluates_every_panel_and_alert(prometheus: str) -> None:
    pending = [expression.replace("$__rate_interval", "30s") for expression in expressions()]
    deadline_s = time.monotonic() + 60
    while pending and time.monotonic() < deadline_s:
        with contextlib.suppress(OSError):  # Prometheus still starts
            pending = [each for each in pending if not ask(prometheus, "/api/v1/query", query=each)["result"]]
        time.sleep(0.2)
    assert pending == []
    loaded = ask(prometheus, "/api/v1/rules")["groups"][0]["rules"]
    while any(rule["health"] == "unknown" for rule in loaded) and time.monotonic() < deadline_s:
        time.sleep(0.2)
        loaded = ask(prometheus, "/api/v1/rules")["groups"][0]["rules"]
    assert {rule["name"]: rule["health"] for rule in loaded} == {rule["alert"]: "ok" for rule in RULES}
