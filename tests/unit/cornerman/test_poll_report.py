"""The report of a polling session, its charts and its files."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest

from cornerman.local.poll_files import new_session_id, write_benchmark, write_session
from cornerman.local.poll_report import poll_report
from cornerman.local.poll_session import PollSession
from cornerman.local.poll_table import figures
from cornerman.local.svg_charts import Bar, bar_chart, nice_top
from tests.unit.cornerman.test_poll_records import record, session

JPEG = b"\xff\xd8 not really \xff\xd9"


def full() -> PollSession:
    polls = [record(n, 1.0, float(n)) for n in range(4)] + [record(4 + n, 2.0, 10 + 2.0 * n) for n in range(4)]
    polls[2] = record(2, 1.0, 2.0, status="failed", cause="<b>out of memory</b>", text="")
    polls[3] = record(3, 1.0, 3.0, text="Push <script>alert(1)</script> & hold.")
    found = session(*polls)
    found.thumbnails = {0: JPEG}
    found.skipped = Counter({"no_credit": 2})
    found.settings = {"base_model": "<i>"}
    found.gpu_memory = {"allocated_bytes": 1, "reserved_bytes": 2, "peak_bytes": 1_530_000_000}
    return found


def test_report_fetches_nothing() -> None:
    page = poll_report(full())
    assert "default-src 'none'" in page
    assert not re.search(r"<script|<link|https?://|@import|url\(", page)
    assert set(re.findall(r'src="([^,"]*)', page)) == {"data:image/jpeg;base64"}


def test_report_escapes_and_tells_all() -> None:
    page = poll_report(full())
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; hold." in page
    assert "&lt;b&gt;out of memory&lt;/b&gt;" in page
    assert "<b>out of memory" not in page and "<i>" not in page
    for told in ("7 of 8", "1.53 GB", "no_credit", "prefers-color-scheme: dark", "Intervals", "preprocessing"):
        assert told in page


def test_unfinished_poll_is_told() -> None:
    """Ctrl-C in the middle of an answer: the poll was in no file."""
    found = session(record(0))
    assert "still running" not in poll_report(found) + figures(found)[0]
    found.unfinished = 1
    assert found.metrics()["summary"]["unfinished_polls"] == 1
    assert "1 still running" in figures(found)[0]
    assert "<li>still running at the end<b>1</b></li>" in poll_report(found)


def test_charts_are_valid_svg() -> None:
    page = poll_report(full())
    charts = re.findall(r'<svg class="chart".*?</svg>', page, flags=re.DOTALL)
    assert len(charts) == 3
    stacked = ElementTree.fromstring(charts[0])
    assert len([shape for shape in stacked.iter("rect") if shape.get("class") == "failed"]) == 1
    assert {shape.get("class") for shape in stacked.iter("rect")} >= {"p0", "p1", "p2", "p3", "p4", "p5"}
    assert all(float(shape.get("height", "0")) >= 0 for shape in stacked.iter("rect"))


def test_empty_session_has_a_report() -> None:
    page = poll_report(session())
    assert "There was no poll." in page
    assert figures(session()) == ["0 polls, 0 answered, 0 not asked"]


def test_many_bars_keep_few_labels() -> None:
    chart = bar_chart("t", "ms", [Bar(str(n), (float(n),), "h") for n in range(300)])
    assert len(re.findall(r'text-anchor="middle"', chart)) <= 20


@pytest.mark.parametrize(("largest", "top"), [(0.0, 1.0), (1.0, 1.0), (1.01, 2.0), (87.0, 100.0), (230.0, 250.0)])
def test_axis_ends_on_a_round_number(largest: float, top: float) -> None:
    assert nice_top(largest) == pytest.approx(top)


def test_files_are_named_by_time(tmp_path: Path) -> None:
    files = write_session(full(), tmp_path)
    assert {name: path.name for name, path in files.items()} == {
        "metrics": "metrics_20261126_031500.json",
        "summary": "summary_20261126_031500.json",
        "report": "report_20261126_031500.html",
    }
    assert json.loads(files["summary"].read_text()) == json.loads(files["metrics"].read_text())["summary"]
    first = new_session_id(0.0, tmp_path)
    (tmp_path / f"metrics_{first}.json").touch()
    assert new_session_id(0.0, tmp_path) == f"{first}_2"


def test_benchmark_has_a_row_an_interval(tmp_path: Path) -> None:
    files = write_benchmark(full(), tmp_path, {"path": "squat.mp4", "duration_seconds": 60.0})
    found = json.loads(files["benchmark"].read_text())
    assert [row["polling_interval"] for row in found["results"]] == [1.0, 2.0]
    assert [row["failed_polls"] for row in found["results"]] == [1, 0]
    assert found["video_info"]["duration_seconds"] == 60.0
