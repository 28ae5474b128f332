"""Errors of one source: growing pauses, one report, and the entry that is given up."""

from __future__ import annotations

from cornerman_decider.trouble import FIRST_PAUSE_S, LONGEST_PAUSE_S, Trouble


def test_pauses_grow_to_a_limit() -> None:
    trouble = Trouble()
    pauses = [trouble.failed("", "oops").pause_s for _ in range(6)]
    assert pauses[0] == FIRST_PAUSE_S and pauses == sorted(pauses) and pauses[-1] == LONGEST_PAUSE_S


def test_entry_is_given_up_the_second_time() -> None:
    trouble = Trouble()
    assert [trouble.failed(entry, "oops").give_up for entry in ("1-0", "1-0", "2-0", "2-0")] == [False, True] * 2


def test_error_without_entry_gives_nothing_up() -> None:
    trouble = Trouble()
    assert not any(trouble.failed("", "oops").give_up for _ in range(5))


def test_equal_errors_are_told_once() -> None:
    trouble = Trouble()
    assert [trouble.failed("", message).tell for message in ("a", "a", "b", "a")] == [True, False, True, True]


def test_success_starts_over() -> None:
    trouble = Trouble()
    trouble.failed("1-0", "oops")
    trouble.worked()
    setback = trouble.failed("1-0", "oops")
    assert (setback.pause_s, setback.tell, setback.give_up) == (FIRST_PAUSE_S, True, False)
