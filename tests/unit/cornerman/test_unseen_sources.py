"""Sources that gave no picture: the sentence, the summary and the status."""

from __future__ import annotations

import pytest

from cornerman.local.counts import SourceCounts, summary_line
from cornerman.local.pipeline_plan import SourceProgress
from cornerman.local.unseen_sources import unseen_line, unseen_sources
from cornerman_shared.settings.source import SourceSpec

REFUSED = "http://cam: the connection was refused"


def progress(source_id: str, reached: str = "", fault: str = "", captured: int = 0) -> SourceProgress:
    spec = SourceSpec(source_id=source_id, url="http://cam")
    return SourceProgress(spec, "0-0", None, SourceCounts(captured=captured), "paused", reached=reached, fault=fault)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (progress("a", "reconnecting", REFUSED), f"within 3 s: {REFUSED}"),
        (progress("a", "opening"), "within 3 s: it was still opening; check the source, or allow"),
        (progress("a"), "within 3 s: it was still waiting; check the source, or allow"),
        (progress("a", "ended"), "it ended without one; check the source"),
        (progress("a", "failed", REFUSED), f"{REFUSED}; check the source"),
    ],
    ids=["refused", "opening", "untouched", "ended", "failed"],
)
def test_unseen_source_has_reason(source: SourceProgress, told: str) -> None:
    (sentence,) = unseen_sources([source, progress("b", "playing", captured=1)], 3.0).values()
    assert told in sentence


def test_seen_source_is_left_out() -> None:
    assert unseen_sources([progress("a", "reconnecting", REFUSED, captured=1)], None) == {}


def test_interrupted_opening_is_no_fault() -> None:
    found = unseen_sources([progress("a", "opening"), progress("b", "reconnecting", REFUSED)], None, interrupted=True)
    assert list(found) == ["b"]


def test_summary_names_unseen_sources() -> None:
    line = summary_line(1.0, {"a": SourceCounts()}, {"a": "why"})
    assert (line["unseen"], set(line["sources"])) == ({"a": "why"}, {"a"})
    assert unseen_line("a", "why") == {"type": "error", "source_id": "a", "stage": "capture", "message": "why"}
