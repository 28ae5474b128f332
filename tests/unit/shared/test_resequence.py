"""The resequencer restores order for every permutation, without duplicates and without endless waits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cornerman_shared.bus.resequence import Gap, Resequencer


def drain(r: Resequencer[int], now_s: float, gap_s: float | None = None) -> list[int | Gap]:
    out: list[int | Gap] = []
    while (item := r.pop(now_s, gap_s)) is not None:
        out.append(item)
    return out


@given(st.integers(0, 40).flatmap(lambda n: st.permutations(range(n))), st.integers(0, 1000))
def test_every_permutation_is_ordered(order: list[int], first: int) -> None:
    r: Resequencer[int] = Resequencer(first)
    out = []
    for seq in order:
        assert r.push(first + seq, first + seq, 0.0) is None
        out += drain(r, 0.0)
    assert out == [first + n for n in range(len(order))]
    assert len(r) == 0


@given(st.lists(st.integers(0, 15), max_size=60))
def test_duplicate_or_late_item_is_returned(arrivals: list[int]) -> None:
    r: Resequencer[int] = Resequencer()
    out: list[int | Gap] = []
    refused = 0
    for n, seq in enumerate(arrivals):
        refused += r.push(seq, seq, float(n)) is not None
        out += drain(r, float(n))
    assert out == list(range(len(out)))
    assert refused == len(arrivals) - len(set(arrivals))
    assert len(out) + len(r) == len(set(arrivals))


@given(st.sets(st.integers(0, 30), min_size=1), st.randoms(use_true_random=False))
def test_each_number_is_item_or_gap(seqs: set[int], random: object) -> None:
    arrivals = sorted(seqs)
    random.shuffle(arrivals)  # type: ignore[attr-defined]
    r: Resequencer[int] = Resequencer()
    for seq in arrivals:
        r.push(seq, seq, 0.0)
    out = drain(r, 10.0, gap_s=0.0)
    covered = [range(item.seq, item.last + 1) if isinstance(item, Gap) else [item] for item in out]
    assert [seq for numbers in covered for seq in numbers] == list(range(max(seqs) + 1))
    assert {item for item in out if not isinstance(item, Gap)} == seqs


def test_missing_number_is_skipped_in_time() -> None:
    r: Resequencer[int] = Resequencer()
    r.push(1, 1, now_s=100.0)
    assert drain(r, 101.9, gap_s=2.0) == []
    assert drain(r, 102.0, gap_s=2.0) == [Gap(0), 1]


def test_second_gap_waits_again() -> None:
    r: Resequencer[int] = Resequencer()
    r.push(1, 1, 0.0)
    r.push(3, 3, 1.0)
    assert drain(r, 2.0, gap_s=2.0) == [Gap(0), 1]
    assert drain(r, 3.9, gap_s=2.0) == []
    assert drain(r, 4.0, gap_s=2.0) == [Gap(2), 3]


def test_consecutive_gaps_are_skipped_together() -> None:
    r: Resequencer[int] = Resequencer()
    r.push(3, 3, 0.0)
    assert drain(r, 2.0, gap_s=2.0) == [Gap(0, 3), 3]


def test_gap_of_any_length_is_one_step() -> None:
    r: Resequencer[int] = Resequencer()
    r.push(10**9, 10**9, 0.0)
    assert drain(r, 2.0, gap_s=2.0) == [Gap(0, 10**9), 10**9]


def test_no_gap_s_waits_forever() -> None:
    r: Resequencer[int] = Resequencer()
    r.push(1, 1, 0.0)
    assert drain(r, 1e9) == []


def test_item_in_time_is_no_gap() -> None:
    r: Resequencer[int] = Resequencer()
    r.push(1, 1, 0.0)
    r.push(0, 0, 1.9)
    assert drain(r, 50.0, gap_s=2.0) == [0, 1]


def test_item_after_its_gap_is_returned() -> None:
    r: Resequencer[int] = Resequencer()
    r.push(1, 1, 0.0)
    assert drain(r, 2.0, gap_s=2.0) == [Gap(0), 1]
    assert r.push(0, 0, 2.1) == 0


def test_max_held_forces_a_gap() -> None:
    r: Resequencer[int] = Resequencer(max_held=3)
    for seq in (2, 3, 4):
        r.push(seq, seq, 0.0)
    assert drain(r, 0.0) == []
    r.push(5, 5, 0.0)
    assert r.held() == [2, 3, 4, 5]
    assert drain(r, 0.0) == [Gap(0, 2), 2, 3, 4, 5]


def test_idle_time_does_not_count() -> None:
    """The wait for a gap starts with the first item behind it."""
    r: Resequencer[int] = Resequencer()
    r.push(0, 0, 0.0)
    assert drain(r, 0.0, gap_s=2.0) == [0]
    r.push(2, 2, 1000.0)
    assert drain(r, 1001.9, gap_s=2.0) == []
