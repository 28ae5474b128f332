"""The counts of a run, and whether they add up."""

from cornerman.local.summary import Tally, summary_line

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


def test_the_last_line_is_as_promised() -> None:
    assert summary_line(12.34567, {"cam1": Tally.of(COUNTERS)}) == {
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


def test_counts_that_add_up_have_no_problems() -> None:
    tally = Tally.of(COUNTERS)
    assert tally.problems() == []
    assert tally.unfinished == (0, 0)


def test_each_equation_that_fails_is_named_with_its_numbers() -> None:
    tally = Tally.of({**COUNTERS, b"due": b"20", b"decided": b"13", b"requests": b"8"})
    assert tally.problems() == [
        "20 chunks due, but 15 published + 4 dropped",
        "15 published, but 13 decided + 1 buried",
        "8 requests, but 3 feedback + 1 errors + 2 expired",
    ]
    assert tally.unfinished == (1, 2)


def test_a_source_that_never_began_counts_nothing() -> None:
    assert Tally.of({}) == Tally()
    assert Tally().problems() == []
