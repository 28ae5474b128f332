"""The files of a polling session, named by its start: metrics, summary and report."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from cornerman.local.poll_report import poll_report
from cornerman.local.poll_session import PollSession, benchmark_rows


def new_session_id(now_s: float, *taken_in: Path) -> str:
    """The local time as `20261126_031500`; numbered if a file of these folders has it already."""
    start = datetime.fromtimestamp(now_s).strftime("%Y%m%d_%H%M%S")
    number, free = 2, start
    while any(next(folder.glob(f"*_{free}.*"), None) for folder in taken_in):
        free = f"{start}_{number}"
        number += 1
    return free


def write_session(session: PollSession, folder: Path) -> dict[str, Path]:
    """Writes `metrics_`, `summary_` and `report_` of a session; returns the paths by these names."""
    report = poll_report(session)
    return {
        "metrics": _write_json(folder / f"metrics_{session.session_id}.json", session.metrics()),
        "summary": _write_json(folder / f"summary_{session.session_id}.json", session.summary()),
        "report": _write(folder / f"report_{session.session_id}.html", report),
    }


def write_benchmark(session: PollSession, folder: Path, video: dict[str, Any]) -> dict[str, Path]:
    """Writes `benchmark_` (figures) and `report_` of a session over several intervals.

    Args:
        video: what is known of the file, for the record.
    """
    summary = session.summary()
    figures = {
        "timestamp": session.session_id,
        "video_info": video,
        "model": {name: session.settings.get(name) for name in ("base_model", "lora_weights")} | session.workers,
        "gpu_memory": session.gpu_memory,
        "machine": session.machine,
        "benchmark_config": {
            "polling_intervals": [row["polling_interval"] for row in benchmark_rows(session)],
            "num_polls_per_interval": session.settings.get("polls_per_interval"),
        },
        "results": benchmark_rows(session),
        "intervals": summary["intervals"],
        "errors": session.metrics()["errors"],
        "settings": session.settings,
    }
    report = poll_report(session, "Benchmark of polling")
    return {
        "benchmark": _write_json(folder / f"benchmark_{session.session_id}.json", figures),
        "report": _write(folder / f"report_{session.session_id}.html", report),
    }


def _write_json(path: Path, value: dict[str, Any]) -> Path:
    return _write(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
