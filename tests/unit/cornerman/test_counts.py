"""Counters of a run, and the equations between them."""

from cornerman.local.counts import SourceCounts, summary_line

COUNTERS = {
    b"captured": b"300",
    b"sampled": b"80",
    b"due": b"19",
    b"published": b"15",
    b"dropped:no_credit": b"3",
    b"dropped:late": b"1",
    b"decided": b"14",
    b"buried": b"1",
    b"lost": b"1",
    b"requests": b"6",
    b"feedback": b"3",
    b"errors": b"1",
    b"expired": b"1",
    b"cancelled": b"1",
    b"questions": b"2",
}


def test_summary_line_has_exact_fields() -> None:
    assert summary_line(12.34567, {"cam1": SourceCounts.of(COUNTERS)}) == {
        "type": "summary",
        "wall_s": 12.346,
        "sources": {
            "cam1": {
                "captured": 300,
                "sampled": 80,
                "due": 19,
                "published": 15,
                "dropped": {"late": 1, "no_credit": 3},
                "decided": 14,
                "buried": 1,
                "requests": 6,
                "feedback": 3,
                "errors": 1,
                "expired": 2,
            }
        },
    }


def test_consistent_counts_have_no_problems() -> None:
    counts = SourceCounts.of(COUNTERS)
    assert counts.problems() == []
    assert counts.unfinished == (0, 0)


def test_failed_equations_are_named() -> None:
    counts = SourceCounts.of({**COUNTERS, b"due": b"20", b"decided": b"13", b"requests": b"8"})
    assert counts.problems() == [
        "20 chunks due, but 15 published + 4 dropped",
        "15 published, but 13 decided + 1 buried",
        "8 requests, but 3 feedback + 1 errors + 2 expired",
    ]
    assert counts.unfinished == (1, 2)


def test_missing_counters_are_zero() -> None:
    assert SourceCounts.of({}) == SourceCounts()
    assert SourceCounts().problems() == []
