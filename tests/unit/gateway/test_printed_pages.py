"""Pages that people print: margins, no torn rows, and no dark colours on white paper."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import cornerman_gateway
from cornerman.local import poll_report, svg_charts
from cornerman_gateway import session_report
from cornerman_gateway.summary_fields import ExerciseSet, set_line
from cornerman_pose.people_eval import strips

SUMMARY = (Path(cornerman_gateway.__file__).parent / "static" / "css" / "summary.css").read_text()
PAGES = {
    "summary": SUMMARY,
    "session": session_report._STYLE,
    "polls": poll_report._STYLE + svg_charts.CHART_STYLE,
    "people": strips._STYLE,
}


@pytest.mark.parametrize("css", PAGES.values(), ids=PAGES)
def test_paper_has_margins_and_whole_rows(css: str) -> None:
    """A second page began at the edge of the paper."""
    assert re.search(r"@page\s*{\s*margin:\s*16mm", css)
    assert re.search(r"break-after:\s*avoid", css) and re.search(r"break-inside:\s*avoid", css)


@pytest.mark.parametrize("css", PAGES.values(), ids=PAGES)
def test_dark_colours_stay_on_screens(css: str) -> None:
    """Light words were printed on white paper, as backgrounds are left out."""
    assert not re.search(r"@media \(prefers-color-scheme: dark\)", css)


def test_hold_has_one_unit() -> None:
    plank = ExerciseSet(
        exercise="plank", hold=True, repetitions=9, with_mistakes=3, mistakes={"sagging": 3}, began_s=0, ended_s=9
    )
    assert set_line(plank) == "9 s plank, 3 s with mistakes (sagging 3)"
